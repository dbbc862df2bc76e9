// reach.h - reaching a server: every address of every host at once, none for longer than it deserves.
//
// libpq alone tries one host after the other and may wait for each of them for seconds.  After a failover the host that
// is dead would hold up the one that is alive.  Names are resolved by the system, whose time is its own.

#ifndef STORE_POSTGRES_REACH_H
#define STORE_POSTGRES_REACH_H

#include <libpq-fe.h>

#include <stddef.h>

#define REACH_ACCEPT_MS 1000 // a host that does not even accept the connection; so it is asked anew once a second
#define REACH_STATE_BYTES 6
#define REACH_LOGIN_MS 5000 // until the session stands, unless connect_timeout says otherwise

// Takes what PQconnectdbParams takes, `dbname` being a connection string, with room for three more.  Returns a link
// that stands: of the first host in order that fits target_session_attrs.  NULL with what stands in the way in one
// line: of several hosts the words of one that answers count more than the silence of one that does not.  `state` gets
// the SQLSTATE with which a server has refused, "" where libpq itself could not go on.
PGconn *reach(const char **keywords, const char **values, size_t count, char state[REACH_STATE_BYTES], char *trouble,
              size_t trouble_bytes);

#endif
