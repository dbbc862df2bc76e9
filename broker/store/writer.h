// writer.h - what the files of the writer share.  Nobody outside broker/store includes it.
//
//   store.c      the loop's side: queues, news, what is made and destroyed
//   writing.c    the writer's thread: which desks are due, one attempt for them, what it means
//   reporting.c  the thread that answers reports

#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "broker/store/store.h"

#include <pthread.h>
#include <sys/queue.h>

#define STORE_DESCRIPTION_BYTES 1024

// A batch or a report on its way.
struct submission {
    struct submission *next;
    struct batch *batch;
    struct report *report;
};

struct submissions {
    struct submission *first;
    struct submission *last;
};

void submissions_push(struct submissions *submissions, struct batch *batch, struct report *report);
struct submission submissions_pop(struct submissions *submissions); // the oldest; empty when there is none
void submissions_fini(struct submissions *submissions);

// When an attempt is made again after a failure, later each time.
struct backoff {
    int64_t until_ms; // by the monotonic clock; 0: at once
    int64_t wait_ms;  // the last wait; 0: the last attempt went well
};

struct store {
    struct writer *writer;
    void *owner;
    TAILQ_ENTRY(store) among_all;
    TAILQ_ENTRY(store) among_news;    // while has_news
    TAILQ_ENTRY(store) among_askers;  // while reports_in has something
    TAILQ_ENTRY(store) among_leaving; // once destroyed, until the writer has seen it
    struct submissions batches_in, batches_out, reports_in, reports_out;
    enum store_state state;
    bool state_unseen; // it changed and store_state was not called since
    bool draining;     // its tables are to show all that is durable
    bool drained;      // and do
    bool has_news;
    char description[STORE_DESCRIPTION_BYTES];
    bool destroyed; // by the loop: only the threads know it now

    // The writer's alone.
    struct share share; // its group is NULL while nothing is being written
    bool joined;        // works through the connection that all share
    struct backoff backoff;
    int64_t described_ms; // when its description was made

    struct engine *reports; // the report thread's alone; NULL: none
    bool reports_joined;
};

TAILQ_HEAD(store_list, store);

struct writer {
    pthread_mutex_t mutex; // of all below, and of the stores but what is a thread's alone
    pthread_cond_t batch_came;
    pthread_cond_t report_came;
    struct store_list all;            // those not destroyed
    struct store_list news;           // something to take or see
    struct store_list askers;         // reports wait
    struct store_list leaving;        // destroyed, their engine is the writer's to end
    struct store_list reports_ending; // and then their reports engine is the report thread's
    size_t store_count;               // in `all`
    bool stopping;
    int wake;   // eventfd: readable while there are news
    bool awake; // it is readable
    pthread_t writer;
    pthread_t reporter;
};

// These are called under the mutex.  `writer_judge_news` puts a store among those with news, or takes it out.
void writer_judge_news(struct store *store);
void writer_set_state(struct store *store, enum store_state state, const char *description);

// The threads; they end when `stopping` is set.
void *writer_write(void *self);
void *writer_report(void *self);

#endif
