// author_reading.c - who has written before the start is read beside the loop, a page of keys at a time.
//
// Until all are known, of each author who is not in memory the store is asked what they wrote before.

#include "broker/session/core.h"

// Between pages, so that a large desk's start is spent on its service.
#define PAGE_PAUSE_MS 10

// Before a page is asked for again that the store did not answer.
#define AGAIN_PAUSE_MS 1000

int64_t author_reading_tick(struct broker *broker)
{
    struct author_reading *reading = &broker->author_reading;
    int64_t from;

    if (reading->asked || !story_cache_wants_authors(broker->stories, &from)) {
        return -1;
    }
    if (broker->now_ms < reading->again_ms) {
        return reading->again_ms - broker->now_ms;
    }
    struct report *report = report_new(REPORT_AUTHORS);
    report->authors_from = from;
    reading->asked = true;
    broker_queue_report(broker, &report);
    return -1;
}

void author_reading_reported(struct broker *broker, const struct report *report)
{
    struct author_reading *reading = &broker->author_reading;

    must(reading->asked);
    reading->asked = false;
    reading->again_ms = broker->now_ms + (report->found ? PAGE_PAUSE_MS : AGAIN_PAUSE_MS);
    if (report->found) {
        story_cache_take_authors(broker->stories, report);
    }
}
