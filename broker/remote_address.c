// remote_address.c - a number for the address at the other end of a descriptor: see remote_address.h.

#include "broker/remote_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SUBNET_BYTES 8 // of an IPv6 address

// That two addresses have the same key is as good as impossible, and lets them share what one may have.
static void remote_address_set_text(struct remote_address *address)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "behalf addresses";

    crypto_shorthash((unsigned char *) &address->key, (const unsigned char *) address->text, strlen(address->text),
                     key);
    address->key += address->key == 0 ? 1 : 0;
}

static void remote_address_from_ipv6(const struct in6_addr *given, struct remote_address *address)
{
    struct in6_addr subnet = *given;
    char text[INET6_ADDRSTRLEN] = "";

    if (IN6_IS_ADDR_V4MAPPED(given)) {
        inet_ntop(AF_INET, &given->s6_addr[12], text, sizeof text);
        snprintf(address->text, sizeof address->text, "%s", text);
    } else {
        memset(subnet.s6_addr + SUBNET_BYTES, 0, sizeof subnet.s6_addr - SUBNET_BYTES);
        inet_ntop(AF_INET6, &subnet, text, sizeof text);
        snprintf(address->text, sizeof address->text, "%s/64", text);
    }
}

void remote_address_from(const struct sockaddr_storage *name, struct remote_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;

    *address = (struct remote_address){ 0 };
    if (name->ss_family == AF_INET) {
        memcpy(&ipv4, name, sizeof ipv4);
        inet_ntop(AF_INET, &ipv4.sin_addr, address->text, sizeof address->text);
    } else if (name->ss_family == AF_INET6) {
        memcpy(&ipv6, name, sizeof ipv6);
        remote_address_from_ipv6(&ipv6.sin6_addr, address);
    }
    if (address->text[0] != '\0') {
        remote_address_set_text(address);
    }
}

// Source: unix(7), SO_PEERCRED.
static void remote_address_from_user(int descriptor, struct remote_address *address)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;

    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0) {
        snprintf(address->text, sizeof address->text, "ipc of user %lu", (unsigned long) peer.uid);
        remote_address_set_text(address);
    }
}

void remote_address_of(int descriptor, struct remote_address *address)
{
    struct sockaddr_storage name = { 0 };
    socklen_t bytes = sizeof name;

    *address = (struct remote_address){ 0 };
    if (getpeername(descriptor, (struct sockaddr *) &name, &bytes) != 0) {
        return;
    }
    if (name.ss_family == AF_UNIX) {
        remote_address_from_user(descriptor, address);
    } else {
        remote_address_from(&name, address);
    }
}
