// endpoint.h - what can be an endpoint, as a text: no names are looked up, nothing is connected.

#ifndef PROTO_ENDPOINT_H
#define PROTO_ENDPOINT_H

#include <stdbool.h>

// tcp://HOST:PORT or ipc://PATH.
bool endpoint_is_good(const char *endpoint);

// Good, and it leads to this machine alone: 127.something or ::1 in numbers, or ipc.
bool endpoint_is_local(const char *endpoint);

#endif
