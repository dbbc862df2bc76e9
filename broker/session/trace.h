// trace.h - what a broker does, a line each: frames in and out, decisions, batches, with the ids that tie them
// together.
//
//     in desk=mine peer=3 session=7 TAKE id=17 item=4 lease=2 bytes=29
//     decide desk=mine batch=12 by=request session=7 id=17 +EVENT item=4 kind=held +ITEM item=4 state=held lease=2
//     batch desk=mine batch=12 epoch=5 from=100 to=101 changes=3 effects=1 asked=0 answered=0
//     durable desk=mine batch=12 to=101 after_ms=2
//     out desk=mine peer=3 session=7 DONE id=17 item=4 lease=2 state=held bytes=41
//
// A frame has its peer and its session, and a request its id, which its answer has, too; a decision has the request
// that it is about, the batch that it went into, and the items that it changed; what a batch has to say follows on its
// `durable`.  Batches are counted anew by each owner of a desk, whom `epoch` tells apart.
//
// Pure: the caller writes the lines, and knows the time.  Never in a line: what a customer or anybody else wrote, names
// of customers and posts, tokens, keys and proofs of it.  Numbers are shown of fields that are named here, and words
// only of lists of our own.

#ifndef SESSION_TRACE_H
#define SESSION_TRACE_H

#include "broker/store/engine.h"

// Where lines go.
struct trace {
    void (*line)(void *self, const char *line);
    void *self;
};

enum trace_way { TRACE_IN, TRACE_OUT };

// A frame that came or goes.  `session` is 0 where the peer has none, `desk` "-" where the frame is of none.
void trace_frame(const struct trace *trace, enum trace_way way, const char *desk, uint64_t peer, uint64_t session,
                 const void *frame, size_t bytes);

// What made a decision, in a word of ours; of a request whose it is, and its id, which else are 0.
struct trace_cause {
    const char *by;
    uint64_t session;
    int64_t id;
};

// The changes from `changes` on were decided into a batch; NULL: there are none, and nothing is said.
void trace_decision(const struct trace *trace, const char *desk, uint64_t number, const struct trace_cause *cause,
                    const struct change *changes);

// A batch goes to the store; is durable, or its questions are answered, `after_ms` later.
void trace_batch(const struct trace *trace, const char *desk, uint64_t number, const struct batch *batch);
void trace_durable(const struct trace *trace, const char *desk, uint64_t number, const struct batch *batch,
                   int64_t after_ms);

#endif
