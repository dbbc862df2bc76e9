// message_fuzz.c - any bytes at all are decoded or refused, and what is decoded can be sent on.
//
// A libFuzzer entry; message_fuzz_smoke.c calls it too, for every compiler and for a short run.

#include "tests/fuzz/message_fuzz.h"

#include "proto/base/must.h"

#include <behalf/message.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(bytes, count, &fault);
    if (message == NULL) {
        must(fault.code != BEHALF_CODE_NONE);
        must(fault.reason[0] != '\0');
        return 0;
    }
    size_t frame_bytes, again_bytes;
    void *frame = behalf_message_encode(message, &frame_bytes, &fault);
    must(frame != NULL);
    must(message->mended != 0 || frame_bytes <= count); // no shorter way to say it is known
    struct behalf_message *copy = behalf_message_copy(message);
    void *again = behalf_message_encode(copy, &again_bytes, &fault);
    must(again != NULL);
    must(again_bytes == frame_bytes);
    must(memcmp(again, frame, frame_bytes) == 0);
    free(again);
    free(frame);
    behalf_message_destroy(&copy);
    behalf_message_destroy(&message);
    return 0;
}
