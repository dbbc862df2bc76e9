// remote_address.h - where a connection comes from, as far as limits of one address go.
//
// Of IPv6 the first 64 bits count, as any host may have all of the rest.  Who comes over ipc is known by user.

#ifndef BROKER_REMOTE_ADDRESS_H
#define BROKER_REMOTE_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

#define REMOTE_ADDRESS_TEXT_BYTES 64

struct remote_address {
    uint64_t key;                         // the same for the same address; 0: not known
    char text[REMOTE_ADDRESS_TEXT_BYTES]; // "127.0.0.1", "2001:db8::/64", "ipc of user 1000"; "" when not known
};

// The address at the other end of a connected socket; not known when it is connected no more.
void remote_address_of(int descriptor, struct remote_address *address);

// The same of what getpeername gave.
void remote_address_from(const struct sockaddr_storage *name, struct remote_address *address);

#endif
