// plain_hand.c - the items in hand, showing them, asking the broker; see plain.h.

#include "worker/agent/plain.h"

#include "proto/base/must.h"
#include "proto/base/clocks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int64_t plain_broker_ms(const struct plain *plain)
{
    return clocks_boot_ms() + plain->clock_offset_ms;
}

// ---- showing ----

struct view *plain_page_open(struct page *page, struct plain *plain)
{
    *page = (struct page){ .plain = plain };
    page->view = (struct view){ .out = open_memstream(&page->text, &page->bytes),
                                .columns = prompt_columns(plain->prompt),
                                .options = plain->options->visible,
                                .now_ms = plain_broker_ms(plain) };
    must(page->view.out != NULL);
    return &page->view;
}

void plain_page_show(struct page *page)
{
    must(fclose(page->view.out) == 0);
    if (page->bytes > 0) {
        prompt_print(page->plain->prompt, page->text);
    }
    free(page->text);
}

// Shows a line of ours, with texts of others made visible on their way.
void plain_tell(struct plain *plain, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    must(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    struct page page;
    view_line(plain_page_open(&page, plain), "", text);
    plain_page_show(&page);
    free(text);
}

static void plain_hand_show_front(struct plain *plain)
{
    struct page page;
    struct view *view = plain_page_open(&page, plain);
    const struct behalf_item *item = &plain->front->message->item;
    view_item(view, item);
    if (strcmp(item->state, "offered") == 0) {
        fputs("`take` it or `decline` it; `help` tells the rest.\n", view->out);
    }
    plain_page_show(&page);
}

// ---- items ----

const struct behalf_item *plain_front(const struct plain *plain)
{
    return &plain->front->message->item;
}

struct held *plain_find(const struct plain *plain, int64_t item)
{
    struct held *held = plain->items;
    while (held != NULL && held->message->item.item != item) {
        held = held->next;
    }
    return held;
}

size_t plain_count(const struct plain *plain, const char *state)
{
    size_t count = 0;
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        count += strcmp(held->message->item.state, state) == 0;
    }
    return count;
}

void plain_set_text(char **text, const char *value)
{
    char *copy = value != NULL && value[0] != '\0' ? strdup(value) : NULL;
    free(*text);
    *text = copy;
}

struct held *plain_add(struct plain *plain, struct behalf_message **message_p)
{
    struct held *held = calloc(1, sizeof *held);
    must(held != NULL);
    held->message = *message_p;
    held->confirmed = true;
    *message_p = NULL;
    struct held **end = &plain->items;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = held;
    return held;
}

void plain_free_held(struct held *held)
{
    behalf_message_destroy(&held->message);
    free(held->text);
    free(held->saved);
    free(held);
}

bool plain_is_writing(enum mode mode)
{
    return mode == MODE_TEXT || mode == MODE_EDIT;
}

void plain_end_writing(struct plain *plain)
{
    plain_set_text(&plain->text, NULL);
    plain_set_text(&plain->rest, NULL);
    if (plain->mode != MODE_LEAVE) {
        plain->mode = MODE_COMMAND;
    }
}

// What is written of an answer at this moment: whole lines, what is still to be mended, and what is typed.
char *plain_written(const struct plain *plain)
{
    if (plain->mode == MODE_REPLACE && plain->text != NULL) {
        return strdup(plain->text);
    }
    if (!plain_is_writing(plain->mode)) {
        return plain->front != NULL && plain->front->text != NULL ? strdup(plain->front->text) : strdup("");
    }
    const char *typed = prompt_typed(plain->prompt);
    if (plain->mode == MODE_EDIT && plain->rest != NULL) { // the line being mended is the first of the rest
        typed = "";
    }
    const char *parts[] = { plain->text, plain->rest, typed[0] != '\0' ? typed : NULL };
    char *whole = strdup("");
    for (size_t i = 0; i < 3; i++) {
        if (parts[i] == NULL) {
            continue;
        }
        char *longer = NULL;
        must(asprintf(&longer, "%s%s%s", whole, whole[0] != '\0' ? "\n" : "", parts[i]) >= 0);
        free(whole);
        whole = longer;
    }
    return whole;
}

// Puts an item in front: the one given, or the next to work on.
void plain_bring_to_front(struct plain *plain, struct held *held)
{
    for (struct held *other = plain->items; other != NULL && held == NULL; other = other->next) {
        if (strcmp(other->message->item.state, "held") == 0) {
            held = other;
        }
    }
    if (held == NULL) {
        held = plain->items;
    }
    plain->front = held;
    if (held != NULL) {
        plain_hand_show_front(plain);
    } else if (strcmp(plain->presence, "away") == 0) {
        plain_tell(plain, "Nothing in hand, and you are away. `back` when you are.");
    } else {
        plain_tell(plain, "Nothing in hand. The next item comes by itself.");
    }
}

// Takes an item off the person's list.
void plain_drop(struct plain *plain, struct held *held)
{
    struct held **link = &plain->items;
    while (*link != held) {
        link = &(*link)->next;
    }
    *link = held->next;
    bool was_front = plain->front == held;
    if (was_front) {
        plain->front = NULL;
        plain_end_writing(plain);
        prompt_leave(plain->prompt);
    }
    plain_free_held(held);
    if (was_front) {
        plain_bring_to_front(plain, NULL);
    }
}

// The item is no longer the person's, and not by their doing.
void plain_lose(struct plain *plain, struct held *held, const char *reason)
{
    char *written = held == plain->front ? plain_written(plain) : strdup(held->text != NULL ? held->text : "");
    plain_tell(plain, "*** Item %" PRId64 " is no longer yours: %s", held->message->item.item, reason);
    if (written[0] != '\0') {
        struct page page;
        struct view *view = plain_page_open(&page, plain);
        fputs("What you had written for it, so that it is not lost:\n", view->out);
        view_text(view, written);
        plain_page_show(&page);
    }
    free(written);
    plain_drop(plain, held);
}

// ---- asking the broker ----

void plain_ask(struct plain *plain, const struct behalf_message *message, int64_t item)
{
    struct behalf_fault fault;
    int64_t id = behalf_client_send(plain->client, message, &fault);
    if (id == 0) {
        plain_tell(plain, "That cannot be asked for: %s", fault.reason);
        return;
    }
    plain->asked = id;
    plain->asked_type = message->type;
    plain->asked_item = item;
    plain->asked_lease = item > 0 ? message->take.lease : 0; // all such messages begin alike
    prompt_leave(plain->prompt);
    if (behalf_client_state(plain->client) != BEHALF_CLIENT_READY) {
        plain_tell(plain, "There is no connection now; it is done as soon as there is. Ctrl-C twice gives up.");
    }
}

static void plain_hand_add_to_written(struct held *front, const char *text)
{
    const char *kept = front->text != NULL ? front->text : front->message->item.draft;
    char *whole = NULL;
    must(asprintf(&whole, "%s%s%s", kept, kept[0] != '\0' ? "\n" : "", text) >= 0);
    plain_set_text(&front->text, whole);
    free(whole);
}

static int64_t plain_hand_send_unfinished(struct plain *plain, const char *text)
{
    char note[BEHALF_NOTE_BYTES + 1];
    struct behalf_fault fault;
    if ((size_t) snprintf(note, sizeof note, "(unfinished) %s", text) >= sizeof note) {
        return 0; // as a whole it could not have been sent either
    }
    struct behalf_message request = { .type = BEHALF_NOTE };
    request.note.item = plain_front(plain)->item;
    request.note.lease = plain_front(plain)->lease;
    request.note.text = note;
    return behalf_client_send(plain->client, &request, &fault);
}

int64_t plain_keep_half_typed(struct plain *plain)
{
    struct held *front = plain->front;
    if (front == NULL || strcmp(front->message->item.state, "held") != 0) {
        return 0;
    }
    char *line = strdup(prompt_typed(plain->prompt));
    must(line != NULL);
    char problem[200];
    struct command command = { .verb = plain->verb, .rest = line };
    int64_t request = 0;
    if (plain->mode == MODE_COMMAND && !command_parse(line, &command, problem, sizeof problem)) {
        command.verb = COMMAND_NONE;
    }
    bool half_typed = (plain->mode == MODE_COMMAND || plain->mode == MODE_ARGUMENT) && command.rest[0] != '\0';
    if (half_typed && (command.verb == COMMAND_ANSWER || command.verb == COMMAND_DRAFT)) {
        plain_hand_add_to_written(front, command.rest);
    } else if (half_typed && command.verb == COMMAND_NOTE &&
               behalf_client_state(plain->client) == BEHALF_CLIENT_READY) {
        request = plain_hand_send_unfinished(plain, command.rest);
    }
    free(line);
    return request;
}

// Saves what is being written, without making anybody wait.
void plain_save_written(struct plain *plain)
{
    plain->save_at_ms = clocks_boot_ms() + PLAIN_SAVE_MS;
    struct held *front = plain->front;
    if (front == NULL || strcmp(front->message->item.state, "held") != 0 || plain->saving != 0 ||
        behalf_client_state(plain->client) != BEHALF_CLIENT_READY) {
        return;
    }
    char *written = plain_written(plain);
    const char *saved = front->saved != NULL ? front->saved : front->message->item.draft;
    if (written[0] != '\0' && strcmp(written, saved) != 0) {
        struct behalf_message draft = { .type = BEHALF_DRAFT };
        draft.draft.item = plain_front(plain)->item;
        draft.draft.lease = plain_front(plain)->lease;
        draft.draft.text = written;
        struct behalf_fault fault;
        plain->saving = behalf_client_send(plain->client, &draft, &fault);
        plain->saving_item = draft.draft.item;
        if (plain->saving > 0) {
            plain_set_text(&front->saved, written);
        }
    }
    free(written);
}

void plain_finish(struct plain *plain, enum worker_end end)
{
    plain->over = true;
    plain->end = end;
}
