// ownership.c - the broker's term of its desk: renewed all the time, and now and then not, so that it lapses.
//
// Then the broker is cut off from its store.  Either it comes back in time, or after its term and has the desk again;
// or another broker takes the desk meanwhile, and for a while there are two: one that serves, and one that does not
// know it and is still connected to clients.  A broker whose term has lapsed says nothing that looks like a living
// desk, and who hears no other is not sure of anything they have: so nobody sees as theirs what somebody else sees as
// theirs.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <string.h>

#define TERM_MS 3000

struct broker *broker_of(const struct client *client)
{
    return client->with_cut_off ? client->simulation->cut_off : client->simulation->broker;
}

static bool has_lapsed(const struct simulation *simulation)
{
    return simulation->clock_ms >= simulation->term_until_ms;
}

bool ownership_stands(const struct simulation *simulation)
{
    return simulation->broker != NULL && !has_lapsed(simulation);
}

int64_t ownership_delay_ms(struct simulation *simulation)
{
    if (has_lapsed(simulation)) {
        sim_fail(simulation, "something is to be made durable by a broker whose term has lapsed");
    }
    return simulation->cut_until_ms ? sim_between(simulation, 0, 8000) : 0;
}

void ownership_began(struct simulation *simulation)
{
    static const char *const others[] = { "sim" };
    simulation->cut_until_ms = 0;
    simulation->lapsed = false;
    simulation->term_until_ms = simulation->clock_ms + TERM_MS;
    if (simulation->seed % 2) { // the others do not know where else they could send people
        broker_set_others(simulation->broker, others, 1);
    }
    broker_lease(simulation->broker, simulation->term_until_ms, simulation->clock_ms);
}

static void renew(struct simulation *simulation)
{
    bool lapsed = simulation->lapsed;
    simulation->lapsed = false;
    simulation->cut_until_ms = 0;
    simulation->term_until_ms = simulation->clock_ms + TERM_MS;
    broker_lease(simulation->broker, simulation->term_until_ms, simulation->clock_ms);
    if (lapsed) {
        simulation->calm_ms = simulation->clock_ms;
        sim_note(simulation, "the broker has the desk again");
    }
}

// Another broker takes the desk; clients of this one are still connected to it.
static void lose(struct simulation *simulation)
{
    sim_note(simulation, "another broker takes the desk");
    simulation->taken_over++;
    simulation->cut_off = simulation->broker;
    simulation->cut_off_batch = simulation->batch;
    simulation->broker = NULL;
    simulation->batch = NULL;
    simulation->doubt = simulation->away = false;
    simulation->engine->operations->destroy(&simulation->engine);
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        simulation->clients[i].with_cut_off = simulation->clients[i].peer != 0;
    }
    simulation->restart_at_ms = simulation->now_ms + sim_between(simulation, 1, 500);
}

void ownership_end_cut_off(struct simulation *simulation)
{
    if (simulation->cut_off == NULL) {
        return;
    }
    broker_destroy(&simulation->cut_off);
    batch_destroy(&simulation->cut_off_batch);
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        if (simulation->clients[i].with_cut_off && simulation->clients[i].peer) {
            network_break(simulation, &simulation->clients[i], "the broker that was cut off is gone");
        }
    }
}

// It reaches the store again, and learns that another broker has the desk.
static void step_cut_off(struct simulation *simulation)
{
    broker_tick(simulation->cut_off, simulation->clock_ms);
    if (simulation->now_ms < simulation->cut_off_until_ms) {
        sim_take_frames(simulation, simulation->cut_off);
        judge_told(simulation, simulation->cut_off);
        return;
    }
    broker_fenced(simulation->cut_off, NULL, 0, "another broker has the desk");
    sim_take_frames(simulation, simulation->cut_off);
    ownership_end_cut_off(simulation);
}

void ownership_step(struct simulation *simulation)
{
    if (simulation->cut_off != NULL) {
        step_cut_off(simulation);
    }
    if (simulation->broker == NULL) {
        return;
    }
    if (simulation->now_ms >= simulation->cut_until_ms) {
        renew(simulation);
    } else if (simulation->lapsed && simulation->cut_off == NULL && sim_chance(simulation, 10)) {
        simulation->cut_off_until_ms = simulation->cut_until_ms + sim_between(simulation, 0, 10000);
        lose(simulation);
        return;
    }
    simulation->lapsed = has_lapsed(simulation); // it notices in this step, and others wait a little longer
    if (!simulation->healed && !simulation->cut_until_ms && sim_chance(simulation, 1)) {
        simulation->cut_until_ms = simulation->now_ms + sim_between(simulation, 500, 15000);
        simulation->batch_at_ms += ownership_delay_ms(simulation); // what is out may arrive after the term
        sim_note(simulation, "the broker is cut off from its store");
    }
}

// ---- judging ----

static bool is_silent(const struct client *client)
{
    return client->with_cut_off || (client->simulation->broker != NULL && has_lapsed(client->simulation));
}

void ownership_judge_spoken(const struct client *client, const struct behalf_message *message)
{
    static const char *const of_no_desk[] = { "BUSY", "TOO_MANY", "NOT_SIGNED_IN", "MALFORMED" };
    if (!is_silent(client) || message->type == BEHALF_MOVED ||
        (message->type == BEHALF_BYE && !strcmp(message->bye.reason, "restarting"))) {
        return;
    }
    for (size_t i = 0; message->type == BEHALF_ERROR && i < sizeof of_no_desk / sizeof *of_no_desk; i++) {
        if (!strcmp(message->error.code, of_no_desk[i])) {
            return;
        }
    }
    sim_fail(client->simulation, "%s was told %s by a broker whose term has lapsed", client->name,
             behalf_type_name(message->type));
}

void ownership_judge_clients(const struct simulation *simulation)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        const struct client *client = &simulation->clients[i];
        if (client->session != NULL && client->peer && is_silent(client) && client->to_client.first == NULL &&
            behalf_session_is_sure(client->session)) {
            sim_fail(simulation, "%s is sure of what they have, by a broker whose term has lapsed", client->name);
        }
    }
}
