// plain_news.c - what the broker says, and how the session stands; see plain.h.

#include "worker/agent/plain.h"

#include "proto/base/clocks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void plain_news_take_changed_item(struct plain *plain, struct held *held, struct behalf_message **message_p)
{
    struct behalf_message *before = held->message;
    held->message = *message_p;
    held->confirmed = true;
    *message_p = NULL;
    const struct behalf_item *item = &held->message->item;
    if (before->item.lease != item->lease) {
        held->offer_warned = false;
    }
    if (held == plain->front) {
        struct page page;
        view_item_changes(plain_page_open(&page, plain), &before->item, item);
        plain_page_show(&page);
    } else {
        plain_tell(plain, "*** Item %" PRId64 " has changed; `show %" PRId64 "` shows it", item->item, item->item);
    }
    behalf_message_destroy(&before);
}

static void plain_news_take_item(struct plain *plain, struct behalf_message **message_p)
{
    if (plain->items_to_come > 0) {
        plain->items_to_come--;
    }
    struct held *held = plain_find(plain, (*message_p)->item.item);
    if (held != NULL) {
        plain_news_take_changed_item(plain, held, message_p);
        return;
    }
    held = plain_add(plain, message_p);
    int64_t due_ms = held->message->item.due_ms;
    held->due_warned = due_ms > 0 && due_ms <= plain_broker_ms(plain); // the screen says so as it is
    if (plain->mode == MODE_WAIT) {
        plain->mode = MODE_COMMAND;
    }
    if (plain->front == NULL) {
        plain_bring_to_front(plain, held);
        return;
    }
    const struct behalf_item *item = &held->message->item;
    struct page page;
    struct view *view = plain_page_open(&page, plain);
    view_item_line(view, "*** Also for you: ", item);
    plain_page_show(&page);
}

// Says something about all items in hand, by their numbers.
static void plain_news_tell_of_items(struct plain *plain, const char *what)
{
    char numbers[160] = "";
    size_t bytes = 0;
    for (struct held *held = plain->items; held != NULL && bytes < sizeof numbers; held = held->next) {
        bytes += (size_t) snprintf(numbers + bytes, sizeof numbers - bytes, "%s%" PRId64, bytes > 0 ? ", " : "",
                                   held->message->item.item);
    }
    plain_tell(plain, "*** %s: %s%s.", what, numbers, bytes >= sizeof numbers ? "..." : "");
}

// After a new session: what the broker did not name again is gone, and the rest is sure.
static void plain_news_drop_unconfirmed(struct plain *plain)
{
    if (plain->items_to_come > 0) {
        return;
    }
    for (struct held *held = plain->items; held != NULL;) {
        struct held *next = held->next;
        if (!held->confirmed) {
            plain_lose(plain, held, "it went back to its queue while you were not connected");
        }
        held = next;
    }
    if (plain->unsure && plain->items != NULL) {
        plain_news_tell_of_items(plain, "Yours, says the broker");
    }
    plain->unsure = false;
}

static void plain_news_take_welcome(struct plain *plain, const struct behalf_welcome *welcome)
{
    plain->clock_offset_ms = welcome->now_ms - clocks_boot_ms();
    plain->timeout_ms = welcome->timeout_ms;
    plain->items_to_come = (size_t) welcome->items;
    plain->saving = 0;
    snprintf(plain->presence, sizeof plain->presence, "%s", welcome->presence);
    snprintf(plain->roles, sizeof plain->roles, "%s", welcome->roles);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        held->confirmed = false;
    }
    const char *name = welcome->display_name[0] != '\0' ? welcome->display_name : plain->options->name;
    if (plain->state == BEHALF_CLIENT_CONNECTING && plain->timeout_ms > 0 && plain->items != NULL) {
        plain_tell(plain, "*** Connected again.");
    } else {
        plain_tell(plain, "Signed in as %s%s%s (%s), %s. `help` lists the commands.", name,
                   welcome->agency[0] != '\0' ? " of " : "", welcome->agency, welcome->roles, welcome->presence);
    }
    if (welcome->items == 0 && plain->items == NULL) {
        plain_bring_to_front(plain, NULL);
    }
}

// What to say when a request about an item has taken effect; NULL: the item is not done with.
static const char *plain_news_farewell(enum behalf_type type, const char *state, bool frozen)
{
    switch (type) {
    case BEHALF_DECLINE:
        return "Declined.";
    case BEHALF_ANSWER:
        return strcmp(state, "waiting") == 0 || strcmp(state, "offered") == 0
                   ? "Answered: it goes to an approver first."
               : frozen ? "Answered: the reply waits until the brand is no longer frozen."
                        : "Answered: the reply is on its way.";
    case BEHALF_APPROVE:
        return frozen ? "Approved: the reply waits until the brand is no longer frozen."
                      : "Approved: the reply is on its way.";
    case BEHALF_REJECT:
        return "Sent back to its author.";
    case BEHALF_ESCALATE:
        return "Moved to the PR team.";
    case BEHALF_RETURN:
        return "Given back to the agents.";
    case BEHALF_TRANSFER:
        return "Transferred.";
    case BEHALF_RECALL:
        return "It is back in its queue.";
    default:
        return NULL;
    }
}

// The table of messages keeps lease and state of an item as plain fields; DONE tells them anew.
static void plain_news_note_done(struct held *held, const struct behalf_done *done)
{
    if (done->lease > 0) {
        held->message->item.lease = done->lease;
    }
    if (strcmp(done->state, "held") == 0) {
        held->message->item.state = "held"; // a constant; the message frees its memory as a whole
    }
}

// Says what has become of an item that is done with; `held` is NULL if it is not known here.  False if it is not done.
static bool plain_news_bid_farewell(struct plain *plain, const struct behalf_done *done, const struct held *held)
{
    const char *words = plain_news_farewell(plain->asked_type, done->state, held != NULL && held->message->item.frozen);
    if (plain->asked_type == BEHALF_PARK) {
        char until[40];
        view_clock_time(until, sizeof until, plain->asked_until_ms, plain_broker_ms(plain));
        plain_tell(plain, "Parked until %s.", until);
    } else if (plain->asked_type == BEHALF_CLOSE) {
        plain_tell(plain, "Closed as %s.", plain->asked_outcome);
    } else if (words != NULL) {
        plain_tell(plain, "%s", words);
    } else {
        return false;
    }
    return true;
}

static void plain_news_take_done(struct plain *plain, const struct behalf_done *done)
{
    struct held *held = plain_find(plain, plain->asked_item);
    if (plain_news_bid_farewell(plain, done, held)) {
        if (held != NULL) {
            plain_drop(plain, held);
        }
        return;
    }
    if (held != NULL) {
        plain_news_note_done(held, done);
    }
    if (held != NULL && plain->asked_type == BEHALF_DRAFT) {
        plain_set_text(&held->saved, held->text);
        held->unsaved = false;
    }
    if (plain->asked_type == BEHALF_TAKE) {
        plain_tell(plain, "Item %" PRId64 " is yours.", plain->asked_item);
    } else if (plain->asked_type == BEHALF_DRAFT) {
        plain_tell(plain, "Saved with the item.");
    } else if (plain->asked_type == BEHALF_FREEZE) {
        plain_tell(plain, strcmp(done->state, "frozen") == 0
                              ? "Frozen: the brand's replies stop, and its new items go to PR."
                              : "No longer frozen: the brand's replies go out.");
    } else if (plain->asked_type == BEHALF_PRESENCE) {
        plain_tell(plain, strcmp(plain->presence, "away") == 0 ? "You are away: nothing is offered to you."
                                                               : "You are back: the next item comes by itself.");
    } else {
        plain_tell(plain, "Done.");
    }
}

static void plain_news_take_previewed(struct plain *plain, const struct behalf_previewed *preview)
{
    struct page page;
    view_preview(plain_page_open(&page, plain), preview);
    plain_page_show(&page);
    if (plain->verb == COMMAND_PREVIEW) {
        return;
    }
    if (preview->refused[0] == '\0') {
        plain->mode = MODE_CONFIRM;
        return;
    }
    plain_tell(plain, "It is kept: `edit` mends it, `answer` begins with it.");
    plain_save_written(plain);
}

// Whether a refusal means that the item is no longer the person's.  NOT_FOUND may be about a person, a skill
// or a language that the request named; and the item may have come under another lease meanwhile.
static bool plain_news_tells_of_loss(const struct plain *plain, const struct held *held,
                                     const struct behalf_error *error)
{
    if (held->message->item.lease != plain->asked_lease) {
        return false;
    }
    if (strcmp(error->code, "STALE") == 0) {
        return true;
    }
    return strcmp(error->code, "NOT_FOUND") == 0 &&
           (strcmp(error->field, "item") == 0 || (error->field[0] == '\0' && strcmp(error->state, "closed") == 0));
}

static void plain_news_take_refusal(struct plain *plain, const struct behalf_error *error)
{
    plain_tell(plain, "Not done: %s%s%s (%s%s%s)", error->reason, error->state[0] != '\0' ? "; the item is " : "",
               error->state, error->code, error->field[0] != '\0' ? " " : "", error->field);
    if (plain->asked_type == BEHALF_PRESENCE) {
        snprintf(plain->presence, sizeof plain->presence, "%s",
                 strcmp(plain->presence, "away") == 0 ? "available" : "away");
    }
    if ((plain->asked_type == BEHALF_ANSWER || plain->asked_type == BEHALF_APPROVE) && plain->front != NULL) {
        plain_tell(plain, "What you wrote is kept: `edit` mends it, `answer` begins with it.");
    }
    struct held *held = plain_find(plain, plain->asked_item);
    if (held != NULL && plain->asked_type == BEHALF_DRAFT) {
        held->unsaved = true;
    }
    if (held != NULL && plain_news_tells_of_loss(plain, held, error)) {
        plain_lose(plain, held, "somebody or something else has moved it");
    }
}

static void plain_news_take_answer(struct plain *plain, const struct behalf_message *message)
{
    if (message->id == plain->saving) {
        struct held *held = plain_find(plain, plain->saving_item);
        plain->saving = 0;
        if (held != NULL) {
            held->unsaved = message->type == BEHALF_ERROR;
        }
        if (message->type == BEHALF_ERROR) {
            plain_tell(plain, "*** The draft could not be saved: %s", message->error.reason);
        }
        return;
    }
    if (message->id != plain->asked) {
        return;
    }
    plain->asked = 0;
    struct page page;
    switch (message->type) {
    case BEHALF_DONE:
        plain_news_take_done(plain, &message->done);
        break;
    case BEHALF_ERROR:
        plain_news_take_refusal(plain, &message->error);
        break;
    case BEHALF_PREVIEWED:
        plain_news_take_previewed(plain, &message->previewed);
        break;
    case BEHALF_LISTING:
        if (message->listing.items_count == 0 && message->listing.more) {
            plain_look(plain, message->listing.next); // what is for this person comes behind much that is not
            break;
        }
        view_listing(plain_page_open(&page, plain), &message->listing);
        plain_page_show(&page);
        break;
    case BEHALF_COUNTS:
        view_counts(plain_page_open(&page, plain), &message->counts);
        plain_page_show(&page);
        break;
    default:
        break;
    }
}

static void plain_news_take_presence(struct plain *plain, const struct behalf_presence *presence)
{
    snprintf(plain->presence, sizeof plain->presence, "%s", presence->state);
    plain_tell(plain, "*** You are now %s%s%s.", presence->state, presence->reason[0] != '\0' ? ": " : "",
               presence->reason);
}

static void plain_news_take_message(struct plain *plain, struct behalf_message **message_p)
{
    const struct behalf_message *message = *message_p;
    struct held *held;
    switch (message->type) {
    case BEHALF_WELCOME:
        plain_news_take_welcome(plain, &message->welcome);
        plain_news_drop_unconfirmed(plain);
        break;
    case BEHALF_ITEM:
        plain_news_take_item(plain, message_p);
        plain_news_drop_unconfirmed(plain);
        break;
    case BEHALF_GONE:
        held = plain_find(plain, message->gone.item);
        if (held != NULL && held->message->item.lease <= message->gone.lease) {
            plain_lose(plain, held, message->gone.reason[0] != '\0' ? message->gone.reason : "no reason was given");
        }
        break;
    case BEHALF_PRESENCE:
        plain_news_take_presence(plain, &message->presence);
        break;
    default:
        if (message->id > 0) {
            plain_news_take_answer(plain, message);
        } else if (message->type == BEHALF_ERROR) {
            plain_tell(plain, "*** The broker says: %s %s", message->error.code, message->error.reason);
        }
        break;
    }
}

bool plain_hear_broker(struct plain *plain)
{
    bool heard = false;
    struct behalf_message *message;
    while ((message = behalf_client_next(plain->client)) != NULL) {
        plain_news_take_message(plain, &message);
        behalf_message_destroy(&message);
        plain_watch_session(plain); // the next call may already lose what this message began
        heard = true;
    }
    return heard;
}

void plain_watch_session(struct plain *plain)
{
    enum behalf_client_state state = behalf_client_state(plain->client);
    const char *reason = behalf_client_reason(plain->client);
    if (state == plain->state) {
        return;
    }
    plain->state = state;
    if (state == BEHALF_CLIENT_CONNECTING && plain->items != NULL) {
        plain->unsure = true;
        plain_tell(plain, "*** Connection lost (%s); reconnecting.", reason);
        plain_news_tell_of_items(plain, "Not sure that this is still yours");
    } else if (state == BEHALF_CLIENT_CONNECTING) {
        plain_tell(plain, "*** Connection lost (%s); reconnecting.", reason);
    } else if (state == BEHALF_CLIENT_REFUSED) {
        plain_tell(plain, "The broker does not let you in: %s", reason);
        plain_finish(plain, WORKER_REFUSED);
    } else if (state == BEHALF_CLIENT_ENDED) {
        plain_tell(plain, "*** The broker ended your session: %s", reason);
        plain_finish(plain, WORKER_ENDED);
    }
}
