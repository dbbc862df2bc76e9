// plain_writing.c - how an answer is written, mended, previewed and sent; see plain.h.

#include "worker/agent/plain.h"

#include "proto/base/must.h"
#include "proto/base/clocks.h"
#include "worker/visible_text.h"

#include <stdlib.h>
#include <string.h>

// Shows a text as it will go out, and asks whether it may.
void plain_preview_text(struct plain *plain, const char *text)
{
    ASK_FRONT(plain, PREVIEW, preview, request.preview.text = text);
}

const char *plain_kept_text(const struct plain *plain)
{
    if (plain->front->text != NULL) {
        return plain->front->text;
    }
    return plain_front(plain)->draft;
}

bool plain_is_saved(const struct plain *plain)
{
    const struct held *front = plain->front;
    const char *saved = front->saved != NULL ? front->saved : front->message->item.draft;
    return !front->unsaved && strcmp(plain_kept_text(plain), saved) == 0;
}

bool plain_too_long(struct plain *plain, const char *text, const char *what)
{
    bool too_long = strlen(text) > BEHALF_POST_BYTES;
    if (too_long) {
        plain_tell(plain, "A draft is at most %d,%03d bytes; %s.", BEHALF_POST_BYTES / 1000, BEHALF_POST_BYTES % 1000,
                   what);
    }
    return too_long;
}

void plain_submit(struct plain *plain, const char *text)
{
    if (text[0] == '\0') {
        plain_tell(plain, "Nothing was written.");
        return;
    }
    plain_set_text(&plain->front->text, text);
    if (!plain_too_long(plain, text, "not sent and not saved; `edit` mends it")) {
        plain_preview_text(plain, plain->front->text);
    }
}

void plain_begin_text(struct plain *plain, const char *first_lines)
{
    plain_set_text(&plain->text, first_lines);
    plain->mode = MODE_TEXT;
    plain->save_at_ms = clocks_boot_ms() + PLAIN_SAVE_MS;
    plain_tell(plain, "Write. A line with only a full stop ends it, Ctrl-C leaves it as a draft.");
}

void plain_begin_edit(struct plain *plain)
{
    const char *text = plain_kept_text(plain);
    char *visible = visible_string(text, VISIBLE_LINES);
    bool hidden = strcmp(visible, text) != 0;
    free(visible);
    if (hidden || !prompt_is_terminal(plain->prompt)) {
        plain_tell(plain, hidden ? "The draft has characters that cannot be shown, so write it anew. It reads:"
                                 : "The draft reads as follows; write it anew.");
        struct page page;
        view_text(plain_page_open(&page, plain), text);
        plain_page_show(&page);
        plain_begin_text(plain, NULL);
        return;
    }
    plain_set_text(&plain->rest, text);
    plain_set_text(&plain->text, NULL);
    plain->mode = plain->rest != NULL ? MODE_EDIT : MODE_TEXT;
    plain->save_at_ms = clocks_boot_ms() + PLAIN_SAVE_MS;
    plain_tell(plain,
               "Mend each line; Enter keeps it, an emptied one is dropped. Then go on, or end with a full stop.");
}

static void plain_writing_append_line(struct plain *plain, const char *line)
{
    char *longer = NULL;
    must(asprintf(&longer, "%s%s%s", plain->text != NULL ? plain->text : "", plain->text != NULL ? "\n" : "", line) >=
         0);
    free(plain->text);
    plain->text = longer;
}

void plain_end_text(struct plain *plain)
{
    char *text = plain->text != NULL ? plain->text : strdup("");
    plain->text = NULL;
    plain_end_writing(plain);
    plain_submit(plain, text);
    free(text);
}

void plain_take_text_line(struct plain *plain, const char *line)
{
    if (strcmp(line, ".") == 0) {
        plain_end_text(plain);
        return;
    }
    size_t bytes = (plain->text != NULL ? strlen(plain->text) : 0) + strlen(line) + 1;
    if (bytes > BEHALF_POST_BYTES) {
        plain_tell(plain, "That line was not taken: a text has %d bytes at most.", BEHALF_POST_BYTES);
    } else {
        plain_writing_append_line(plain,
                                  strcmp(line, "..") == 0 ? "." : line); // so that a lone full stop can be written
    }
}

// The first line of those still to be mended; freed by the caller.
char *plain_next_line_to_edit(const struct plain *plain)
{
    return strndup(plain->rest, strcspn(plain->rest, "\n"));
}

void plain_take_edited_line(struct plain *plain, const char *line)
{
    char *before = plain_next_line_to_edit(plain);
    char *newline = strchr(plain->rest, '\n');
    char *rest = newline != NULL ? strdup(newline + 1) : NULL;
    free(plain->rest);
    plain->rest = rest;
    if (line[0] != '\0' || before[0] == '\0') {
        plain_writing_append_line(plain, line);
    }
    free(before);
    if (plain->rest == NULL) {
        plain->mode = MODE_TEXT;
    }
}

void plain_take_resume(struct plain *plain, const char *line)
{
    plain->mode = MODE_COMMAND;
    switch (command_reply(line)) {
    case REPLY_USE:
    case REPLY_YES:
    case REPLY_NOTHING: {
        char *text = strdup(plain_kept_text(plain));
        plain_submit(plain, text);
        free(text);
        break;
    }
    case REPLY_EDIT:
        plain_begin_edit(plain);
        break;
    case REPLY_NEW:
    case REPLY_NO:
        plain_begin_text(plain, NULL);
        break;
    default:
        plain->mode = MODE_RESUME;
        plain_tell(plain, "Say u, e or n; Ctrl-C leaves it.");
    }
}

void plain_take_replace(struct plain *plain, const char *line)
{
    switch (command_reply(line)) {
    case REPLY_YES:
        plain_end_text(plain);
        break;
    case REPLY_NO:
        plain_end_writing(plain);
        plain_tell(plain, "The draft is as it was: `edit` mends it, `answer` begins with it.");
        break;
    default:
        plain_tell(plain, "Say y or n; Ctrl-C leaves it.");
    }
}

void plain_take_confirmation(struct plain *plain, const char *line)
{
    plain->mode = MODE_COMMAND;
    switch (command_reply(line)) {
    case REPLY_YES:
        if (plain->verb == COMMAND_APPROVE) {
            ASK_FRONT(plain, APPROVE, approve, request.approve.text = plain->front->text);
        } else {
            ASK_FRONT(plain, ANSWER, answer, request.answer.text = plain->front->text);
        }
        break;
    case REPLY_EDIT:
        plain_begin_edit(plain);
        break;
    case REPLY_NO:
        plain_tell(plain, "Not sent. It is kept as a draft: `edit` mends it, `answer` begins with it.");
        plain_save_written(plain);
        break;
    default:
        plain->mode = MODE_CONFIRM;
        plain_tell(plain, "Say y, n or edit; Ctrl-C leaves it.");
    }
}
