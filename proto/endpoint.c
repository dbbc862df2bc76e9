// endpoint.c - the forms tcp://HOST:PORT and ipc://PATH, looked at letter by letter: see endpoint.h.

#include "proto/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TCP "tcp://"
#define IPC "ipc://"

static bool endpoint_tcp_address_is_good(const char *address)
{
    const char *port = strrchr(address, ':');
    if (port == NULL || port == address) {
        return false;
    }
    char *end;
    errno = 0;
    long number = strtol(port + 1, &end, 10);
    return port[1] >= '0' && port[1] <= '9' && *end == '\0' && errno == 0 && number >= 1 && number <= 65535;
}

bool endpoint_is_good(const char *endpoint)
{
    if (strncmp(endpoint, TCP, strlen(TCP)) == 0) {
        return endpoint_tcp_address_is_good(endpoint + strlen(TCP));
    }
    return strncmp(endpoint, IPC, strlen(IPC)) == 0 && endpoint[strlen(IPC)] != '\0';
}

bool endpoint_is_local(const char *endpoint)
{
    char host[INET_ADDRSTRLEN] = "";
    struct in_addr address;
    if (!endpoint_is_good(endpoint)) {
        return false;
    }
    if (strncmp(endpoint, IPC, strlen(IPC)) == 0) {
        return true;
    }
    const char *begin = endpoint + strlen(TCP);
    size_t bytes = (size_t) (strrchr(endpoint, ':') - begin);
    if (bytes == strlen("[::1]") && strncmp(begin, "[::1]", bytes) == 0) {
        return true;
    }
    if (bytes >= sizeof(host)) {
        return false;
    }
    memcpy(host, begin, bytes);
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}
