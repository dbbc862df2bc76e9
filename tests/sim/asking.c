// asking.c - the client of control, which asks and applies rules while the desk is at work; and what people look up.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char rules[] =
    "desk: sim\n"
    "times: { offer: 5 s, grace: 10 s, hold: 20 s, decline: 8 s, prefer: 5 s, follow_up: 60 s, fate: 10 s, "
    "missed_offers: 4, "
    "expire: 15 min }\n"
    "channels:\n  chirp: { length: 280 }\n  pagebook: { reply_window: 3 min }\n"
    "skills: [refunds]\n"
    "agencies: [Northline]\n"
    "brands:\n"
    "  acme:\n    display_name: Acme\n    languages: [en, de]\n    undetermined: en\n"
    "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}\"\n"
    "    disclosure_pr: \"{first_name}, answering for {brand}\"\n"
    "    service_level: { agent: 60 s, pr: 5 min }\n    escalate_late: yes\n    approve: [refunds]\n"
    "  fizz:\n    display_name: Fizz\n    languages: [en, de]\n    undetermined: en\n"
    "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}\"\n"
    "    disclosure_pr: \"{first_name}, answering for {brand}\"\n"
    "    take: automatic\n    approve: [refunds]\n"
    "topics:\n  refunds: { skill: refunds, patterns: [refund*] }\n"
    "sensitive:\n  legal: { band: high, patterns: [lawsuit*%s] }\n"
    "noise:\n  spam: { patterns: [free followers] }\n"
    "people:\n"
    "  asha: { display_name: asha, %s, brands: [acme, fizz], languages: [en], skills: [%s], capacity: 2 }\n"
    "  ben: { display_name: ben, roles: [agent], agency: Northline, brands: [acme, fizz], languages: [en, de], skills: "
    "[refunds], capacity: 1 }\n"
    "  cora: { display_name: cora, roles: [agent], agency: Northline, brands: [%s], languages: [en, de], skills: [], "
    "capacity: 3 }\n"
    "  pia: { display_name: pia, roles: [pr], brands: [acme, fizz], languages: [en, de], skills: [refunds], capacity: "
    "3 }\n"
    "  pat: { display_name: pat, %s, brands: [acme, fizz], languages: [en, de], skills: [refunds], capacity: 2 }\n"
    "  ann: { display_name: ann, roles: [approver], brands: [acme, fizz], languages: [en, de], skills: [refunds], "
    "capacity: 3 }\n"
    "  eve: { display_name: eve, roles: [pr, approver], brands: [acme, fizz], languages: [en, de], skills: [refunds], "
    "capacity: 2 }\n"
    "  sam: { display_name: sam, roles: [supervisor], brands: [acme], languages: [en, de], skills: [], capacity: 2 }\n"
    "  kim: { display_name: kim, roles: [agent, supervisor], agency: Northline, brands: [acme, fizz], languages: [en, "
    "de], "
    "skills: [refunds], capacity: 2 }\n"
    "%s";

// The same, for those who judge: all that each is and has by any variant.
static const struct {
    const char *name, *roles, *brands, *languages, *skills;
    size_t capacity;
} people[SIM_PEOPLE] = {
    { "asha", "agent approver", "acme fizz", "en", "refunds", 2 },
    { "ben", "agent", "acme fizz", "en de", "refunds", 1 },
    { "cora", "agent", "acme fizz", "en de", "", 3 },
    { "dov", "agent", "acme fizz", "de", "refunds", 2 },
    { "pia", "pr", "acme fizz", "en de", "refunds", 3 },
    { "pat", "pr agent", "acme fizz", "en de", "refunds", 2 },
    { "ann", "approver", "acme fizz", "en de", "refunds", 3 },
    { "eve", "pr approver", "acme fizz", "en de", "refunds", 2 },
    { "sam", "supervisor", "acme", "en de", "", 2 },
    { "kim", "agent supervisor", "acme fizz", "en de", "refunds", 2 },
};

bool sim_has_role(size_t person, const char *role)
{
    const char *found = strstr(people[person].roles, role); // "pr" is not what "approver" has in it
    while (found != NULL && found != people[person].roles && found[-1] != ' ') {
        found = strstr(found + 1, role);
    }
    return found != NULL && (found[strlen(role)] == ' ' || !found[strlen(role)]);
}

bool sim_has_brand(size_t person, const char *brand)
{
    return strstr(people[person].brands, brand) != NULL;
}

bool sim_has_language(size_t person, const char *language)
{
    return strstr(people[person].languages, language) != NULL;
}

size_t sim_capacity(size_t person)
{
    return people[person].capacity;
}

// "agent/acme/en/refunds"; by the rules of this variant.
bool sim_serves(size_t person, const char *queue, unsigned variant)
{
    char audience[12], brand[12], language[12], skills[24] = "";
    if (sscanf(queue, "%11[^/]/%11[^/]/%11[^/]/%23s", audience, brand, language, skills) < 3) {
        return false;
    }
    const char *name = people[person].name;
    bool has_skills =
        strstr(people[person].skills, skills) != NULL && !(variant & 1 && *skills && !strcmp(name, "asha"));
    bool has_brand =
        sim_has_brand(person, brand) && !(!(variant & 2) && !strcmp(brand, "acme") && !strcmp(name, "cora"));
    bool dropped = variant & 4 && !strcmp(name, "dov");
    bool changed = (!strcmp(name, "asha") && strcmp(audience, variant & 16 ? "approver" : "agent") != 0) ||
                   (!strcmp(name, "pat") && strcmp(audience, variant & 32 ? "agent" : "pr") != 0);
    return sim_has_role(person, audience) && !changed && has_brand && sim_has_language(person, language) &&
           (has_skills || strcmp(audience, "agent") != 0) && !dropped;
}

// Variant 0 has everybody; the bits of others change people, one drops dov, one makes posts about shops sensitive, one
// makes asha, an agent whose drafts may wait for approval just then, an approver, and one pat of PR an agent.
char *rules_variant(unsigned variant)
{
    static const char dov[] = "  dov: { display_name: dov, roles: [agent], agency: Northline, brands: [acme, fizz], "
                              "languages: [de], skills: [refunds], capacity: 2 }\n";
    static const char agent[] = "roles: [agent], agency: Northline";
    char *text = malloc(sizeof rules + sizeof dov + 128);
    sprintf(text, rules, variant & 8 ? ", shop" : "", variant & 16 ? "roles: [approver]" : agent,
            variant & 1 ? "" : "refunds", variant & 2 ? "acme, fizz" : "fizz", variant & 32 ? agent : "roles: [pr]",
            variant & 4 ? "" : dov);
    return text;
}

// ---- control ----

static void apply(struct client *client, unsigned variant)
{
    struct simulation *simulation = client->simulation;
    char *text = rules_variant(variant), name[16];
    snprintf(name, sizeof name, "variant %u", variant); // for history.c, which reads it in the events
    simulation->variant = variant;
    sim_note(simulation, "rules of variant %u are to be applied", variant);
    simulation->clients[person_by_name(simulation, "pat")].agent = false; // perhaps not
    simulation->applying =
        client_send(client, (struct behalf_message){ .type = BEHALF_APPLY, .apply = { .rules = text, .name = name } });
    free(text);
}

void act_control(struct client *client)
{
    struct simulation *simulation = client->simulation;
    if (simulation->healed) {
        if (!client->greeted) {
            apply(client, 0);
        }
        client->greeted = true;
        return;
    }
    if (!sim_chance(simulation, 10) || behalf_session_pending(client->session) > 4) {
        return;
    }
    int64_t item = sim_between(simulation, 1, 60);
    switch (sim_between(simulation, 0, 9)) {
    case 0:
    case 1:
    case 2:
        client_send(client, (struct behalf_message){ .type = BEHALF_STATUS });
        break;
    case 3:
    case 4:
        client_send(client, (struct behalf_message){ .type = BEHALF_WHY, .why = { .item = item } });
        break;
    case 5:
        client_send(client, (struct behalf_message){ .type = BEHALF_OUTCOMES, .outcomes = { .limit = 20 } });
        break;
    case 6:
    case 7:
        client_send(client, (struct behalf_message){ .type = BEHALF_LOOK, .look = { .limit = 20 } });
        break;
    case 8:
        apply(client, (unsigned) sim_between(simulation, 0, 63));
        break;
    default:
        client_send(client, (struct behalf_message){ .type = BEHALF_WHY, .why = { .channel = "chirp", .post = "p1" } });
    }
}

static void hear_counts(struct client *client, const struct behalf_counts *counts)
{
    int64_t in_queues = 0, with_people = 0;
    for (size_t i = 0; i < counts->queues_count; i++) {
        const struct behalf_queue_count *queue = &counts->queues[i];
        in_queues += queue->offered + queue->held;
        if (!queue->able) {
            sim_fail(client->simulation, "nobody may serve %s of %s", queue->audience, queue->brand);
        }
    }
    for (size_t i = 0; i < counts->people_count; i++) {
        const struct behalf_person_count *person = &counts->people[i];
        with_people += person->offered + person->held;
        if (person->offered + person->held > person->capacity) {
            sim_fail(client->simulation, "%s has more than their capacity", person->name);
        }
    }
    if (in_queues != with_people) {
        sim_fail(client->simulation, "queues count %lld with people, people %lld", (long long) in_queues,
                 (long long) with_people);
    }
}

static void hear_history(struct client *client, const struct behalf_history *history)
{
    if (!history->events_count) {
        sim_fail(client->simulation, "item %lld has no history", (long long) history->item);
    }
    const char *first = history->events[0].kind;
    if (strcmp(first, "taken") != 0 && strcmp(first, "follow-up") != 0) {
        sim_fail(client->simulation, "the history of item %lld begins with %s", (long long) history->item, first);
    }
    for (size_t i = 1; i < history->events_count; i++) {
        if (history->events[i].sequence <= history->events[i - 1].sequence) {
            sim_fail(client->simulation, "the history of item %lld is out of order", (long long) history->item);
        }
    }
}

void hear_control(struct client *client, const struct behalf_message *message)
{
    if (message->type == BEHALF_COUNTS) {
        hear_counts(client, &message->counts);
    } else if (message->type == BEHALF_HISTORY) {
        hear_history(client, &message->history);
    } else if (message->type == BEHALF_APPLIED) {
        client->simulation->applied += !message->applied.repeated;
    } else if (message->type == BEHALF_ERROR && !strcmp(message->error.code, "STORE") &&
               client->simulation->keeps_journal) {
        return; // its tables were locked
    } else if (message->type == BEHALF_ERROR && strcmp(message->error.code, "NOT_FOUND") != 0 && message->id) {
        sim_fail(client->simulation, "control is refused: %s %s", message->error.code, message->error.reason);
    }
}

// ---- people ----

void ask_for_listing(struct client *client)
{
    client_send(client, (struct behalf_message){ .type = BEHALF_LOOK, .look = { .limit = 30 } });
}

static bool texts_agree(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : !strcmp(one, other);
}

// A report tells what is durable when it is asked for, though the tables may have been behind that.
void asking_judge_report(const struct simulation *simulation, const struct report *report)
{
    if (!simulation->keeps_journal || report->failed) {
        return;
    }
    struct report *durable = report_new(report->kind);
    durable->why = report->why;
    durable->outcomes = report->outcomes;
    durable->items = report->items;
    durable->item_count = report->item_count;
    durable->authors_from = report->authors_from;
    durable->sealed_too = report->sealed_too;
    memory_disk_report(simulation->disk, durable);
    bool agree = report->found == durable->found && report->post_count == durable->post_count &&
                 report->author_count == durable->author_count &&
                 report->history.events_count == durable->history.events_count;
    for (size_t i = 0; agree && report->listed != NULL && i < report->item_count; i++) {
        agree = texts_agree(report->listed[i].text, durable->listed[i].text);
    }
    if (!agree) {
        sim_fail(simulation, "a report of kind %d says what was not so any more when it was asked for",
                 (int) report->kind);
    }
    report_destroy(&durable);
}

// Who may take it, or supervises its brand, is listed an item; what is sealed only PR reads.
static void judge_row(const struct client *client, const struct behalf_listed *row)
{
    const struct simulation *simulation = client->simulation;
    bool takes = sim_has_role(client->index, row->audience) && sim_has_language(client->index, row->language) &&
                 !(client->agent && !strcmp(row->audience, "pr"));
    if ((!takes && !sim_has_role(client->index, "supervisor")) || !sim_has_brand(client->index, row->brand)) {
        sim_fail(simulation, "%s was listed item %lld of %s, %s, %s", client->name, (long long) row->item,
                 row->audience, row->brand, row->language);
    }
    if (!client->agent) {
        return;
    }
    if (strstr(row->text, "lawsuit") != NULL && !simulation->released[row->item]) {
        sim_fail(simulation, "%s was listed the text of item %lld", client->name, (long long) row->item);
    }
    if (!strcmp(row->audience, "pr") && (*row->text || *row->reason)) {
        sim_fail(simulation, "%s was listed words of PR's item %lld", client->name, (long long) row->item);
    }
}

void asking_judge(struct client *client, const struct behalf_message *message)
{
    struct simulation *simulation = client->simulation;
    if (message->type == BEHALF_APPLIED && message->id == simulation->applying && simulation->variant & 32) {
        simulation->clients[person_by_name(simulation, "pat")].agent = true; // of PR till then
    }
    for (size_t i = 0;
         message->type == BEHALF_LISTING && client->role == CLIENT_PERSON && i < message->listing.items_count; i++) {
        judge_row(client, &message->listing.items[i]);
    }
}
