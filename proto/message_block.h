// message_block.h - one block of memory for a message and all it points to, measured before it is filled.

#ifndef PROTO_MESSAGE_BLOCK_H
#define PROTO_MESSAGE_BLOCK_H

#include <behalf/message.h>

#include <stddef.h>

struct message_block {
    char *memory; // the message, which owns it
    size_t used;
};

// What `bytes` take in a block.
static inline size_t message_rounded(size_t bytes)
{
    const size_t unit = _Alignof(max_align_t);
    return (bytes + unit - 1) / unit * unit;
}

// What a text takes in a block: nothing if it is empty.
static inline size_t message_text_cost(size_t bytes)
{
    return bytes == 0 ? 0 : message_rounded(bytes + 1);
}

// A message, all zero, in a block with `more` bytes behind it for what it points to.
struct behalf_message *message_new(struct message_block *block, size_t more);

// The next bytes of the block, all zero.  The caller has measured: that they are there is not looked at.
void *message_block_take(struct message_block *block, size_t bytes);

// A text, copied into the block.
const char *message_block_text(struct message_block *block, const char *text, size_t bytes);

#endif
