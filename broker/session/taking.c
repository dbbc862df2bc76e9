// taking.c - posts come in: whether each is new is settled first, then what it needs, then the desk has it.
//
// A post is its channel, brand and id; an edit or deletion is of every brand's that has the channel and id.  The set of
// recent keys, which are of channel and id alone, answers "new" at once.  Everything else is asked of the store, behind
// the batch being decided now.  Its answer knows nothing of posts decided or edited since that batch was handed out;
// their keys are in `decided`, and what is about a post found there is asked for once more.

#include "broker/session/core.h"

// How far a platform's clock may be ahead of ours.
#define PLATFORM_AHEAD_MS (10 * 60 * 1000)

// What an author did to a post before it came for a brand: texts that other brands were brought first, those the desk
// has kept, and what another brand has now or what it came with.
#define FIRST_TEXTS_MAX 4
#define CHANGES_MAX (FIRST_TEXTS_MAX + DESK_EARLY_TEXTS_MAX + 1)

struct name {
    const char *channel;
    const char *post;
};

static struct name taking_name_of(const struct behalf_message *message)
{
    switch (message->type) {
    case BEHALF_POST:
        return (struct name){ message->post.channel, message->post.post };
    case BEHALF_EDIT:
        return (struct name){ message->edit.channel, message->edit.post };
    default:
        return (struct name){ message->delete_post.channel, message->delete_post.post };
    }
}

static uint64_t taking_key_of(const struct behalf_message *message)
{
    struct name name = taking_name_of(message);

    return desk_intake_key(name.channel, name.post);
}

static void taking_ask(struct broker *broker, struct waiting *waiting)
{
    struct name name = taking_name_of(waiting->message);

    batch_ask(broker->current, &(struct question){ .kind = QUESTION_INTAKE,
                                                   .tag = broker_tag(waiting),
                                                   .channel = name.channel,
                                                   .post = name.post,
                                                   .intake_key = taking_key_of(waiting->message) });
}

#define MENDED_MAX 16 // of TAKEN, as in messages.def

// What of a message had to be mended, by its fields' names, for whoever sent it.
static void taking_tell_taken(struct broker *broker, uint64_t session, const struct behalf_message *message,
                              const struct behalf_taken *taken)
{
    struct behalf_message answer = { .type = BEHALF_TAKEN, .id = message->id, .taken = *taken };
    const struct behalf_field *fields = behalf_type_fields(message->type);
    const char *names[MENDED_MAX];

    answer.taken.mended = message->mended == 0 ? NULL : names;
    for (size_t i = 0; fields[i].name != NULL; i++) {
        if ((message->mended >> i & 1) != 0) {
            must(answer.taken.mended_count < MENDED_MAX);
            names[answer.taken.mended_count++] = fields[i].name;
        }
    }
    broker->taken += taken->repeated ? 0 : 1;
    broker->repeated += taken->repeated ? 1 : 0;
    speak_later(broker, session, &answer);
}

// The same for the item's story.
static void taking_note_mended(struct broker *broker, const struct behalf_message *message, struct needs *needs)
{
    const struct behalf_field *fields = behalf_type_fields(message->type);
    const char *notes = "";

    if (message->mended == 0) {
        return;
    }
    for (size_t i = 0; fields[i].name != NULL; i++) {
        if ((message->mended >> i & 1) != 0) {
            notes =
                change_list_format(broker_list(broker), "%s%s%s", notes, *notes == '\0' ? "" : ", ", fields[i].name);
        }
    }
    needs->detail = change_list_format(
        broker_list(broker), "mended or left out, as the connector sent it wrong: %s; %s", notes, needs->detail);
}

static void taking_refuse_unknown(struct broker *broker, uint64_t session, int64_t id, const char *field)
{
    speak_error(broker, session, id, BEHALF_CODE_NOT_FOUND,
                &(struct behalf_error){ .field = field, .reason = "the desk's rules do not name it" });
}

// What a text needs.  False, with the field, if its brand or channel is not known.
bool taking_needs(struct broker *broker, const struct behalf_post *post, struct needs *needs, const char **field)
{
    const char *author = triage_author(broker->triage, broker->rules, post->channel, post->author);
    const char *hint =
        *author == '\0' ? "" : desk_author_language(broker->desk, desk_author_key(post->channel, author));

    return triage_post(broker->triage, broker->rules, post, hint, needs, field);
}

// The needs of a text, kept over the triage of another one.
static void taking_keep_needs(struct broker *broker, struct needs *needs)
{
    needs->author = change_list_text(broker_list(broker), needs->author);
    needs->rule = change_list_text(broker_list(broker), needs->rule);
    needs->detail = change_list_text(broker_list(broker), needs->detail);
}

// ---- posts ----

// What an author did to a post before it came, a change each, with what its text needs.
struct changes_before {
    struct desk_changed changed[CHANGES_MAX]; // the oldest first
    struct needs needs[CHANGES_MAX];
    size_t count;
    size_t kept;       // of them, by the desk
    bool all_are_here; // no text of the post was let go
    bool had_its_text; // the text that it comes with is among them
};

static void taking_add_change(struct changes_before *changes, bool deleted, const char *text, int64_t edited_ms)
{
    must(changes->count < CHANGES_MAX);
    changes->changed[changes->count] =
        (struct desk_changed){ .deleted = deleted,
                               .text = text,
                               .edited_ms = edited_ms,
                               .before = changes->count == 0 ? NULL : &changes->changed[changes->count - 1] };
    changes->count++;
}

static bool taking_is_among(const struct changes_before *changes, const char *text)
{
    size_t i = 0;

    while (i < changes->count && strcmp(changes->changed[i].text, text) != 0) {
        i++;
    }
    return i < changes->count;
}

// Whether what two brands have under one name is known to be one post: of an author who is somebody.
static bool taking_is_one_post(struct broker *broker, const struct behalf_post *one, const struct behalf_post *other)
{
    const char *author =
        change_list_text(broker_list(broker), triage_author(broker->triage, broker->rules, one->channel, one->author));

    return *author != '\0' &&
           strcmp(author, triage_author(broker->triage, broker->rules, other->channel, other->author)) == 0;
}

// Texts that other brands were brought first: its author had them, before they were changed.
static void taking_find_first_texts(struct broker *broker, const struct behalf_post *post,
                                    const struct known_post *known, struct changes_before *changes)
{
    for (; known != NULL; known = known->next) {
        if (strcmp(known->first_text, post->text) == 0 || taking_is_among(changes, known->first_text) ||
            !taking_is_one_post(broker, post, &known->post)) {
            continue;
        }
        if (changes->count == FIRST_TEXTS_MAX) {
            changes->all_are_here = false;
            return;
        }
        taking_add_change(changes, false, known->first_text, 0);
    }
}

// The deletion, or else the newest edit, that another brand has; NULL when there is none.
static const struct known_post *taking_find_newest(const struct known_post *known)
{
    const struct known_post *newest = NULL;

    for (; known != NULL; known = known->next) {
        if (known->deleted) {
            return known;
        }
        if (known->edited && (newest == NULL || known->edited_ms > newest->edited_ms)) {
            newest = known;
        }
    }
    return newest;
}

// As was kept, and as other brands have it already.  The newest, which comes last, is what the post is now.
static void taking_find_changes(struct broker *broker, const struct behalf_post *post, const struct known_post *known,
                                struct changes_before *changes)
{
    const struct early_record *early[DESK_EARLY_TEXTS_MAX];
    const struct known_post *newest = taking_find_newest(known);
    bool all_kept = true;

    changes->all_are_here = true;
    changes->kept = desk_early(broker->desk, post->channel, post->post, early, &all_kept);
    taking_find_first_texts(broker, post, known, changes);
    size_t first_texts = changes->count;
    for (size_t i = 0; i < changes->kept; i++) {
        taking_add_change(changes, early[i]->deleted, early[i]->text, early[i]->edited_ms);
    }
    const struct desk_changed *last = changes->kept == 0 ? NULL : &changes->changed[changes->count - 1];
    bool newer = newest != NULL &&
                 (last == NULL || (newest->edited_ms >= last->edited_ms && strcmp(newest->post.text, last->text) != 0));
    if (newest != NULL && (newest->deleted || newer) && !(last != NULL && last->deleted)) {
        taking_add_change(changes, newest->deleted, newest->post.text, newest->edited_ms);
    }
    changes->had_its_text = taking_is_among(changes, post->text);
    if (first_texts > 0 && changes->count == first_texts) {
        taking_add_change(changes, false, post->text, 0); // brought later than the others
    }
    changes->all_are_here = changes->all_are_here && (all_kept || newest == NULL);
}

// Of the same brand and channel as the post, whose needs are known.
static void taking_find_needs_of_changes(struct broker *broker, const struct behalf_post *post,
                                         struct changes_before *changes)
{
    const char *field = "";

    for (size_t i = 0; i < changes->count; i++) {
        struct behalf_post now = *post;
        now.text = changes->changed[i].text;
        must(taking_needs(broker, &now, &changes->needs[i], &field));
        taking_keep_needs(broker, &changes->needs[i]);
        changes->changed[i].needs = &changes->needs[i];
    }
}

// Whether the rules name a brand that may still bring a post which `brand` ("" for none) and those of `known` have.
static bool taking_others_may_bring(const struct broker *broker, const char *brand, const struct known_post *known)
{
    const struct policy *policy = rules_policy(broker->rules);

    for (size_t i = 0; i < policy->brand_count; i++) {
        bool has = policy->brands[i].retired || strcmp(policy->brands[i].name, brand) == 0;
        for (const struct known_post *other = known; other != NULL && !has; other = other->next) {
            has = strcmp(policy->brands[i].name, other->post.brand) == 0;
        }
        if (!has) {
            return true;
        }
    }
    return false;
}

// The other way round: the text that a post came with is one that its author gave it, also for those who had it before.
static void taking_tell_others(struct broker *broker, const struct behalf_post *post, const struct known_post *known,
                               const struct changes_before *changes)
{
    for (; known != NULL; known = known->next) {
        struct behalf_post as_was = known->post;
        struct needs needs = { 0 };
        const char *field = "";
        bool had = strcmp(post->text, known->first_text) == 0 || strcmp(post->text, known->post.text) == 0;

        as_was.text = post->text;
        if (!had && !changes->had_its_text && !known->deleted && taking_is_one_post(broker, post, &known->post) &&
            taking_needs(broker, &as_was, &needs, &field)) {
            desk_post_had(broker->desk, known->item, &known->post, post->text, &needs, broker->now_ms);
        }
    }
}

// A rule may hold for a text that is not here any more: PR is to see the post.
static void taking_make_sure(struct needs *needs)
{
    if (needs->audience != AUDIENCE_PR) {
        needs->audience = AUDIENCE_PR;
        needs->rule = "not every text that its author gave it could be kept";
    }
}

// `known`: other brands' posts of the same channel and id.
static void taking_decide_post(struct broker *broker, uint64_t session, const struct behalf_message *message,
                               const struct known_post *known)
{
    const struct behalf_post *post = &message->post;
    uint64_t key = desk_intake_key(post->channel, post->post);
    struct changes_before changes = { 0 };
    struct needs needs = { 0 };
    const char *field = "";

    taking_find_changes(broker, post, known, &changes);
    if (!taking_needs(broker, post, &needs, &field)) {
        taking_refuse_unknown(broker, session, message->id, field);
        return;
    }
    const struct desk_changed *changed = changes.count == 0 ? NULL : &changes.changed[changes.count - 1];
    bool deleted = changed != NULL && changed->deleted;
    if (changed != NULL && !deleted) {
        taking_keep_needs(broker, &needs);
        taking_find_needs_of_changes(broker, post, &changes);
    }
    if (!deleted && !changes.all_are_here) {
        taking_make_sure(&needs);
    }
    taking_note_mended(broker, message, &needs);
    uint64_t item = desk_post(broker->desk, post, &needs, changed, broker->now_ms);
    if (changes.kept > 0 && (deleted || !taking_others_may_bring(broker, post->brand, known))) {
        desk_forget_early(broker->desk, post->channel, post->post);
    }
    taking_tell_others(broker, post, known, &changes);
    intake_add(&broker->intake, key, broker->now_ms);
    key_set_add(&broker->decided, key);
    taking_tell_taken(broker, session, message, &(struct behalf_taken){ .item = (int64_t) item });
}

// A platform's time ahead of ours cannot be so, and would put whatever is told with it before all that comes later: it
// counts as not told.
static void taking_forget_time_ahead(const struct broker *broker, int64_t *told_ms)
{
    if (*told_ms > broker->now_ms + PLATFORM_AHEAD_MS) {
        *told_ms = 0;
    }
}

void take_post(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    struct behalf_message *message = *message_p;

    taking_forget_time_ahead(broker, &message->post.posted_ms);

    if (intake_settles(&broker->intake, message->post.posted_ms, broker->now_ms) &&
        !intake_has(&broker->intake, taking_key_of(message))) {
        taking_decide_post(broker, session->number, message, NULL);
    } else {
        taking_ask(broker, broker_wait(broker, session, message_p));
    }
}

void take_change(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    struct behalf_message *message = *message_p;

    taking_forget_time_ahead(broker, message->type == BEHALF_EDIT ? &message->edit.edited_ms
                                                                  : &message->delete_post.deleted_ms);
    taking_ask(broker, broker_wait(broker, session, message_p));
}

// ---- the store has answered ----

static bool taking_is_same_author(struct broker *broker, const char *channel, const char *one, const char *other)
{
    if (strcmp(one, other) == 0 || *one == '\0' || *other == '\0') {
        return true;
    }
    const char *kept =
        change_list_text(broker_list(broker), triage_author(broker->triage, broker->rules, channel, one));

    return strcmp(kept, triage_author(broker->triage, broker->rules, channel, other)) == 0;
}

// Whether a post comes again under a known name as another one: of another author, or with a text it never had first or
// last.
static bool taking_differs(struct broker *broker, const struct behalf_post *post, const struct known_post *known)
{
    bool same_text = strcmp(post->text, known->first_text) == 0 || strcmp(post->text, known->post.text) == 0;

    return !same_text || !taking_is_same_author(broker, post->channel, post->author, known->post.author);
}

static const struct known_post *taking_of_brand(const struct question *question, const char *brand)
{
    const struct known_post *known = question->known;

    while (known != NULL && strcmp(known->post.brand, brand) != 0) {
        known = known->next;
    }
    return known;
}

static void taking_post_answered(struct broker *broker, const struct waiting *waiting, const struct question *question)
{
    const struct behalf_post *post = &waiting->message->post;
    const struct known_post *known = taking_of_brand(question, post->brand);

    if (known == NULL) {
        taking_decide_post(broker, waiting->session, waiting->message, question->known);
        return;
    }
    taking_tell_taken(broker, waiting->session, waiting->message,
                      &(struct behalf_taken){ .item = (int64_t) known->item,
                                              .repeated = true,
                                              .differs = taking_differs(broker, post, known) });
}

// An edit counts only if the post has no newer one: by the platform's time, where it says one; of two with the same
// time the one that is told later.  Returns whether anything changed, and the item the post is of then.
static bool taking_decide_edit(struct broker *broker, const struct behalf_message *message,
                               const struct known_post *known, uint64_t *item)
{
    const struct behalf_edit *edit = &message->edit;
    struct behalf_post post = known->post;
    struct needs needs = { 0 };
    const char *field = "";

    *item = known->item;
    if (known->deleted || (edit->edited_ms != 0 && edit->edited_ms < known->edited_ms)) {
        return false;
    }
    if (strcmp(edit->text, known->post.text) == 0) {
        if (edit->edited_ms > known->edited_ms) {
            desk_post_edited_alike(broker->desk, &post, edit, broker->now_ms);
            key_set_add(&broker->decided, desk_intake_key(edit->channel, edit->post));
        }
        return false;
    }
    post.text = edit->text;
    if (!taking_needs(broker, &post, &needs, &field)) {
        return false; // the rules have dropped its brand or channel, which they do only when nothing is open
    }
    taking_note_mended(broker, message, &needs);
    *item = desk_post_edited(broker->desk, known->item, &post, edit, &needs, broker->now_ms);
    key_set_add(&broker->decided, desk_intake_key(edit->channel, edit->post));
    return true;
}

// An edit that none of those who have the post has a newer text than.
static bool taking_edit_counts(const struct behalf_edit *edit, const struct known_post *known)
{
    while (known != NULL && !known->deleted && (edit->edited_ms == 0 || edit->edited_ms >= known->edited_ms)) {
        known = known->next;
    }
    return known == NULL;
}

// Brands that have yet to bring the post are to hear of what became of it, too: of a deletion those tell that have it.
static void taking_keep_for_others(struct broker *broker, const struct behalf_message *message,
                                   const struct known_post *known)
{
    struct name name = taking_name_of(message);

    if (message->type == BEHALF_DELETE) {
        desk_forget_early(broker->desk, name.channel, name.post);
    } else if (taking_edit_counts(&message->edit, known) && taking_others_may_bring(broker, "", known)) {
        desk_keep_for_others(broker->desk,
                             &(struct early_record){ .channel = name.channel,
                                                     .post = name.post,
                                                     .text = message->edit.text,
                                                     .edited_ms = message->edit.edited_ms },
                             broker->now_ms);
    }
}

// Of all brands that have the post; the answer names the first one's item.
static void taking_decide_change(struct broker *broker, const struct waiting *waiting, const struct question *question)
{
    const struct behalf_message *message = waiting->message;
    struct behalf_taken taken = { .repeated = true };

    for (const struct known_post *known = question->known; known != NULL; known = known->next) {
        uint64_t item = known->item;
        bool changed =
            message->type == BEHALF_EDIT ? taking_decide_edit(broker, message, known, &item) : !known->deleted;
        if (changed && message->type == BEHALF_DELETE) {
            desk_post_deleted(broker->desk, item, known->post.brand, &message->delete_post, broker->now_ms);
            key_set_add(&broker->decided, question->intake_key);
        }
        if (taken.item == 0 || (changed && taken.repeated)) {
            taken.item = (int64_t) item;
        }
        taken.repeated = taken.repeated && !changed;
    }
    taking_keep_for_others(broker, message, question->known);
    taking_tell_taken(broker, waiting->session, message, &taken);
}

// An edit or deletion of a post that was not taken.
static void taking_keep_change(struct broker *broker, const struct waiting *waiting)
{
    const struct behalf_message *message = waiting->message;
    struct name name = taking_name_of(message);
    bool deleted = message->type == BEHALF_DELETE;
    const struct early_record early = { .channel = name.channel,
                                        .post = name.post,
                                        .deleted = deleted,
                                        .text = deleted ? "" : message->edit.text,
                                        .edited_ms =
                                            deleted ? message->delete_post.deleted_ms : message->edit.edited_ms };

    if (policy_find_channel(rules_policy(broker->rules), name.channel) == POLICY_NONE) {
        taking_refuse_unknown(broker, waiting->session, waiting->id, "channel");
        return;
    }
    enum desk_keeping keeping = desk_keep_early(broker->desk, &early, broker->now_ms);
    if (keeping == DESK_NO_ROOM) {
        speak_error(broker, waiting->session, waiting->id, BEHALF_CODE_NOT_FOUND,
                    &(struct behalf_error){ .field = "post",
                                            .reason = "no such post was taken, and there is no room to keep this until"
                                                      " it is: bring the post, then this again" });
    } else {
        taking_tell_taken(broker, waiting->session, waiting->message,
                          &(struct behalf_taken){ .early = true, .repeated = keeping == DESK_KNOWN });
    }
}

void taking_answered(struct broker *broker, const struct question *question)
{
    struct waiting *waiting = broker_waiting(question->tag);
    const struct behalf_message *message = waiting->message;
    bool is_post = message->type == BEHALF_POST;
    bool settled = is_post && taking_of_brand(question, message->post.brand) != NULL;

    if (!settled && key_set_has(&broker->decided, question->intake_key)) {
        taking_ask(broker, waiting);
        return;
    }
    if (is_post) {
        taking_post_answered(broker, waiting, question);
    } else if (question->known != NULL) {
        taking_decide_change(broker, waiting, question);
    } else {
        taking_keep_change(broker, waiting);
    }
    broker_end_wait(broker, &waiting);
}
