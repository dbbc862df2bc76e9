// plain_commands.c - the commands; see plain.h.

#include "worker/agent/plain.h"

#include "proto/base/clocks.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000 // of `wait` without an argument

static void plain_commands_run_answer(struct plain *plain, const char *text)
{
    plain->verb = COMMAND_ANSWER;
    const char *kept = plain_kept_text(plain);
    bool typed = text[0] != '\0';
    if (typed && plain_too_long(plain, text, "not sent and not saved")) {
        return;
    } else if (typed && (kept[0] == '\0' || strcmp(kept, text) == 0)) {
        plain_submit(plain, text);
    } else if (kept[0] != '\0') {
        struct page page;
        struct view *view = plain_page_open(&page, plain);
        fputs("There is a draft:\n", view->out);
        view_text(view, kept);
        plain_page_show(&page);
        plain_set_text(&plain->text, text);
        plain->mode = typed ? MODE_REPLACE : MODE_RESUME;
    } else {
        plain_begin_text(plain, NULL);
    }
}

static void plain_commands_run_preview(struct plain *plain, const char *text)
{
    plain->verb = COMMAND_PREVIEW;
    const char *kept = plain_kept_text(plain);
    if (text[0] == '\0' && kept[0] == '\0') {
        plain_tell(plain, "There is no draft. `preview TEXT` shows how a text would go out.");
    } else if (text[0] == '\0') {
        plain_preview_text(plain, kept);
    } else if (!plain_too_long(plain, text, "not shown")) {
        plain_preview_text(plain, text);
    }
}

static void plain_commands_run_draft(struct plain *plain, const char *text)
{
    if (text[0] != '\0') {
        if (plain_too_long(plain, text, "not saved")) {
            return;
        }
        plain_set_text(&plain->front->text, text);
        ASK_FRONT(plain, DRAFT, draft, request.draft.text = text);
        return;
    }
    struct page page;
    struct view *view = plain_page_open(&page, plain);
    if (plain_kept_text(plain)[0] != '\0' && !plain_is_saved(plain)) {
        fputs("Written here, not saved with the item:\n", view->out);
    }
    if (plain_kept_text(plain)[0] != '\0') {
        view_text(view, plain_kept_text(plain));
    } else {
        fputs("There is no draft.\n", view->out);
    }
    plain_page_show(&page);
}

static void plain_commands_run_approve(struct plain *plain)
{
    plain->verb = COMMAND_APPROVE;
    if (plain_kept_text(plain)[0] == '\0') {
        plain_tell(plain, "There is no draft to approve.");
        return;
    }
    char *text = strdup(plain_kept_text(plain));
    plain_submit(plain, text);
    free(text);
}

static void plain_commands_run_edit(struct plain *plain)
{
    plain->verb = strcmp(plain_front(plain)->audience, "approver") == 0 ? COMMAND_APPROVE : COMMAND_ANSWER;
    plain_begin_edit(plain);
}

static void plain_commands_run_close(struct plain *plain, char *rest)
{
    const char *word = command_word(&rest);
    const char *outcome = command_outcome(word);
    if (outcome == NULL) {
        plain_tell(plain, "%s is no outcome. There are: no-answer-needed (or none), noise, duplicate, handed-off.",
                   word);
        return;
    }
    snprintf(plain->asked_outcome, sizeof plain->asked_outcome, "%s", outcome);
    ASK_FRONT(plain, CLOSE, close, request.close.outcome = outcome; request.close.note = rest);
}

static void plain_commands_run_park(struct plain *plain, char *rest)
{
    int64_t until_ms;
    const char *word = command_word(&rest);
    if (!command_until(word, plain_broker_ms(plain), &until_ms)) {
        plain_tell(plain, "%s is no time. Say 30m, 2h, 1d (60 days at most) or 17:30.", word);
        return;
    }
    plain->asked_until_ms = until_ms;
    ASK_FRONT(plain, PARK, park, request.park.until_ms = until_ms; request.park.reason = rest);
}

static void plain_commands_run_transfer(struct plain *plain, char *rest)
{
    const char *skills[16];
    size_t skill_count = 0;
    const char *kind = command_word(&rest);
    char *value = command_word(&rest);
    if (value[0] == '\0' || rest[0] == '\0') {
        plain_tell(plain,
                   "Say `transfer to NAME REASON`, `transfer language CODE REASON` or `transfer skills A,B REASON`.");
    } else if (strcmp(kind, "to") == 0) {
        ASK_FRONT(plain, TRANSFER, transfer, request.transfer.person = value; request.transfer.reason = rest);
    } else if (strcmp(kind, "language") == 0) {
        ASK_FRONT(plain, TRANSFER, transfer, request.transfer.language = value; request.transfer.reason = rest);
    } else if (strcmp(kind, "skills") == 0) {
        for (char *skill; skill_count < 16 && (skill = strsep(&value, ",")) != NULL;) {
            skills[skill_count++] = skill;
        }
        ASK_FRONT(plain, TRANSFER, transfer, request.transfer.skills = skills;
                  request.transfer.skills_count = skill_count; request.transfer.reason = rest);
    } else {
        plain_tell(plain, "Transfer to what? to NAME, language CODE or skills A,B.");
    }
}

void plain_look(struct plain *plain, int64_t after)
{
    struct behalf_message look = { .type = BEHALF_LOOK };
    look.look.audience = plain->asked_audience;
    look.look.after = after;
    look.look.limit = 50;
    plain_ask(plain, &look, 0);
}

static void plain_commands_run_look(struct plain *plain, char *rest)
{
    const char *audience = command_word(&rest);
    static const char every[] = "agent,pr,approver,supervisor";
    if (audience[0] != '\0' && !command_has_role(every, audience)) {
        plain_tell(plain, "There is no audience %s: agent, pr, approver or supervisor.", audience);
        return;
    }
    if (audience[0] != '\0' && plain->roles[0] != '\0' && !command_has_role(plain->roles, audience) &&
        !command_has_role(plain->roles, "supervisor")) {
        plain_tell(plain, "The queues of %s are not yours: you are signed in as %s.", audience, plain->roles);
        return;
    }
    snprintf(plain->asked_audience, sizeof plain->asked_audience, "%s", audience);
    plain_look(plain, 0);
}

static void plain_commands_run_presence(struct plain *plain, const char *state, const char *reason)
{
    struct behalf_message presence = { .type = BEHALF_PRESENCE };
    presence.presence.state = state;
    presence.presence.reason = reason;
    snprintf(plain->presence, sizeof plain->presence, "%s", state);
    plain_ask(plain, &presence, 0);
}

static void plain_commands_run_freeze(struct plain *plain, bool frozen, char *rest)
{
    struct behalf_message freeze = { .type = BEHALF_FREEZE };
    freeze.freeze.brand = command_word(&rest);
    freeze.freeze.frozen = frozen;
    freeze.freeze.reason = rest;
    if (rest[0] == '\0') {
        plain_tell(plain, "Say which brand, and why: `%s BRAND REASON`.", frozen ? "freeze" : "unfreeze");
    } else {
        plain_ask(plain, &freeze, 0);
    }
}

static void plain_commands_run_recall(struct plain *plain, char *rest)
{
    struct behalf_message recall = { .type = BEHALF_RECALL };
    char *end;
    const char *word = command_word(&rest);
    long long item = strtoll(word, &end, 10);
    if (*end != '\0' || item < 1 || rest[0] == '\0') {
        plain_tell(plain, "Say which item, and why: `recall 4711 REASON`; `look` lists them.");
        return;
    }
    recall.recall.item = item;
    recall.recall.reason = rest;
    plain_ask(plain, &recall, 0);
}

static void plain_commands_run_status(struct plain *plain)
{
    plain_tell(plain, "%s, %s, %s; %zu held, %zu offered. %s", plain->options->name, plain->roles, plain->presence,
               plain_count(plain, "held"), plain_count(plain, "offered"), behalf_client_reason(plain->client));
    if (strstr(plain->roles, "supervisor") != NULL) {
        plain_ask(plain, &(struct behalf_message){ .type = BEHALF_STATUS }, 0);
    }
}

static void plain_commands_run_items(struct plain *plain)
{
    struct page page;
    struct view *view = plain_page_open(&page, plain);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        view_item_line(view, held == plain->front ? "> " : "  ", &held->message->item);
    }
    if (plain->items == NULL) {
        fputs("Nothing in hand.\n", view->out);
    }
    plain_page_show(&page);
}

static void plain_commands_run_show(struct plain *plain, const char *rest)
{
    char *end;
    long long number = strtoll(rest, &end, 10);
    struct held *held = rest[0] == '\0' ? plain->front : *end == '\0' ? plain_find(plain, number) : NULL;
    if (held != NULL) {
        plain_bring_to_front(plain, held);
    } else {
        plain_tell(plain, rest[0] == '\0' ? "Nothing in hand." : "That is none of your items; `items` lists them.");
    }
}

static void plain_commands_run_help(struct plain *plain, const char *word)
{
    struct page page;
    struct view *view = plain_page_open(&page, plain);
    if (!command_help(view->out, word, plain->roles)) {
        view_line(view, "There is no command ", word);
    }
    plain_page_show(&page);
}

static void plain_commands_run_wait(struct plain *plain, const char *rest)
{
    int64_t now_ms = clocks_boot_ms(), until_ms = now_ms + WAIT_MS;
    if (rest[0] != '\0' && !command_until(rest, now_ms, &until_ms)) {
        plain_tell(plain, "%s is no time. Say 30s or 5m.", rest);
        return;
    }
    if (plain->front != NULL) {
        return;
    }
    plain->wait_until_ms = until_ms;
    plain->mode = MODE_WAIT;
}

void plain_run_quit(struct plain *plain)
{
    if (plain->items == NULL || !prompt_is_terminal(plain->prompt)) {
        plain_finish(plain, WORKER_SIGNED_OUT);
        return;
    }
    plain->mode = MODE_LEAVE;
}

static void plain_commands_run_about_item(struct plain *plain, enum command_verb verb, char *rest)
{
    switch (verb) {
    case COMMAND_TAKE:
        ASK_FRONT(plain, TAKE, take, (void) request);
        break;
    case COMMAND_DECLINE:
        ASK_FRONT(plain, DECLINE, decline, request.decline.reason = rest);
        break;
    case COMMAND_ANSWER:
        plain_commands_run_answer(plain, rest);
        break;
    case COMMAND_PREVIEW:
        plain_commands_run_preview(plain, rest);
        break;
    case COMMAND_EDIT:
        plain_commands_run_edit(plain);
        break;
    case COMMAND_DRAFT:
        plain_commands_run_draft(plain, rest);
        break;
    case COMMAND_NOTE:
        ASK_FRONT(plain, NOTE, note, request.note.text = rest);
        break;
    case COMMAND_CLOSE:
        plain_commands_run_close(plain, rest);
        break;
    case COMMAND_ESCALATE:
        ASK_FRONT(plain, ESCALATE, escalate, request.escalate.reason = rest);
        break;
    case COMMAND_RETURN:
        ASK_FRONT(plain, RETURN, return_item, request.return_item.guidance = rest);
        break;
    case COMMAND_APPROVE:
        plain_commands_run_approve(plain);
        break;
    case COMMAND_REJECT:
        ASK_FRONT(plain, REJECT, reject, request.reject.reason = rest);
        break;
    case COMMAND_TRANSFER:
        plain_commands_run_transfer(plain, rest);
        break;
    case COMMAND_PARK:
        plain_commands_run_park(plain, rest);
        break;
    default:
        break;
    }
}

void plain_run_command(struct plain *plain, enum command_verb verb, char *rest)
{
    if (command_question(verb) != NULL && rest[0] == '\0') {
        plain->verb = verb;
        plain->mode = MODE_ARGUMENT;
        return;
    }
    switch (verb) {
    case COMMAND_HELP:
        plain_commands_run_help(plain, rest);
        break;
    case COMMAND_SHOW:
        plain_commands_run_show(plain, rest);
        break;
    case COMMAND_ITEMS:
        plain_commands_run_items(plain);
        break;
    case COMMAND_LOOK:
        plain_commands_run_look(plain, rest);
        break;
    case COMMAND_AWAY:
        plain_commands_run_presence(plain, "away", rest);
        break;
    case COMMAND_BACK:
        plain_commands_run_presence(plain, "available", "");
        break;
    case COMMAND_FREEZE:
    case COMMAND_UNFREEZE:
        plain_commands_run_freeze(plain, verb == COMMAND_FREEZE, rest);
        break;
    case COMMAND_RECALL:
        plain_commands_run_recall(plain, rest);
        break;
    case COMMAND_STATUS:
        plain_commands_run_status(plain);
        break;
    case COMMAND_WAIT:
        plain_commands_run_wait(plain, rest);
        break;
    case COMMAND_QUIT:
        plain_run_quit(plain);
        break;
    default:
        plain_commands_run_about_item(plain, verb, rest);
        break;
    }
}

// Says at once what the broker would refuse.  True if the person may.
static bool plain_commands_may_run(struct plain *plain, const struct command *command)
{
    const char *needed = command_roles(command->verb);
    if (!command_is_for(command->verb, plain->roles)) {
        const char *comma = strchr(needed, ',');
        int first = (int) strcspn(needed, ",");
        plain_tell(plain, "`%s` is for %.*s%s%s; you are signed in as %s.", command->word, first, needed,
                   comma != NULL ? " or " : "", comma != NULL ? comma + 1 : "", plain->roles);
        return false;
    }
    if (!command_needs_item(command->verb) || plain->front == NULL) {
        return true;
    }
    const char *audience = plain_front(plain)->audience;
    bool approving = strcmp(audience, "approver") == 0;
    if (needed[0] != '\0' && strcmp(needed, audience) != 0) {
        plain_tell(plain, "`%s` is for items that you have as %s; you have this one as %s.", command->word, needed,
                   audience);
        return false;
    }
    if (approving && command->verb == COMMAND_ANSWER) {
        plain_tell(plain, "You have this item to approve its draft: `approve`, `edit` or `reject` it.");
    }
    return !approving || command->verb != COMMAND_ANSWER;
}

void plain_take_command(struct plain *plain, char *line)
{
    struct command command;
    char problem[200];
    if (!command_parse(line, &command, problem, sizeof problem)) {
        plain_tell(plain, "%s", problem);
        return;
    }
    if (command.verb == COMMAND_NONE || !plain_commands_may_run(plain, &command)) {
        return;
    }
    if (command_needs_item(command.verb) && plain->front == NULL) {
        plain_tell(plain, "There is no item in front of you.");
        return;
    }
    bool offered = plain->front != NULL && strcmp(plain_front(plain)->state, "offered") == 0;
    if (command_needs_item(command.verb) && offered && command.verb != COMMAND_TAKE &&
        command.verb != COMMAND_DECLINE) {
        plain_tell(plain, "It is only offered to you: `take` it first.");
        return;
    }
    plain_run_command(plain, command.verb, command.rest);
}
