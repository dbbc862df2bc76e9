// fitted.h - a message made of what was written under other limits, such as a store of an earlier version, cut to ours.

#ifndef PROTO_FITTED_H
#define PROTO_FITTED_H

#include <behalf/message.h>

// A copy whose texts, lists and numbers are cut to their limits, a text between characters and with an ellipsis at its
// end. Owned by the caller: behalf_message_destroy.  Not for what must stay as it is: ids, keys, replies.
struct behalf_message *message_fitted(const struct behalf_message *message);

#endif
