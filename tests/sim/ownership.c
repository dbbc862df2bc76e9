// ownership.c - which of two brokers has the desk, by the product's own rules: watched, renewed, handed over, taken.
//
// In some runs there is one process with a store of its own, and nobody else can have the desk.  In the others there
// are two over one store.  Each runs the pure rules (lease_watch.h, sharing.h, redirect.h) on a clock of its own, over
// a row of the store that is read and renewed with delays.  A process is cut off from the store, or stopped for a while
// in the midst of everything, and still believes that it has the desk; another one takes it meanwhile, and for a
// while both serve clients.  Or one has more desks than the other, and hands this one over.
//
// What must hold: no word of the desk is spoken by a process whose lease is over by its own clock, nor by one when
// another has taken the desk; what it still tries to write then is refused; and all that was spoken is with the other.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESKS 3             // the desk, and two that a process only claims to have
#define PAUSE_MISSED_MS 500 // as local_desk.c has it
#define PAUSE_LOOK_MS 100
#define LEARNT_MS 10000 // a step, an answer that is long on its way, and another renewal

static const char *const ownership_names[SIM_PROCESSES] = { "one", "two" };

// No two processes have the same.
static int64_t ownership_clock_ms(const struct sim_process *process)
{
    return process->simulation->clock_ms + 1000000 * (int64_t) (process->index + 1);
}

static struct sim_process *ownership_other(const struct sim_process *process)
{
    return &process->simulation->processes[1 - process->index];
}

void ownership_begin(struct simulation *simulation)
{
    static const char *const desks[DESKS] = { "sim", "x", "y" };
    simulation->process_count = sim_chance(simulation, 600) ? SIM_PROCESSES : 1;
    simulation->dead_are_seen = sim_chance(simulation, 500);
    for (size_t i = 0; i < simulation->process_count; i++) {
        struct sim_process *process = &simulation->processes[i];
        process->simulation = simulation;
        process->index = i;
        process->name = ownership_names[i];
        process->sharing = sharing_new(process->name, desks, DESKS);
        process->redirect.desk = "sim";
    }
}

void ownership_end(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->process_count; i++) {
        process_end(&simulation->processes[i]);
        sharing_destroy(&simulation->processes[i].sharing);
    }
}

void ownership_forget(struct sim_process *process)
{
    lease_watch_lost(&process->watch);
    process->hold = (struct lease_hold){ 0 };
    process->renewal.under_way = process->look.under_way = false;
    process->handing = false;
    process->is_free = false;
    process->pause_until_ms = 0;
}

bool ownership_is_cut_off(const struct sim_process *process)
{
    return process->simulation->now_ms < process->cut_until_ms;
}

static bool ownership_is_alone(const struct sim_process *process)
{
    return process->simulation->process_count == 1;
}

bool ownership_is_valid(const struct sim_process *process)
{
    return process->broker != NULL &&
           (ownership_is_alone(process) || lease_hold_is_valid(&process->hold, ownership_clock_ms(process)));
}

struct sim_process *ownership_owner(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->process_count; i++) {
        struct sim_process *process = &simulation->processes[i];
        if (process->broker != NULL && (ownership_is_alone(process) || process->hold.epoch == simulation->row.epoch)) {
            return process;
        }
    }
    return NULL;
}

bool ownership_stands(struct simulation *simulation)
{
    struct sim_process *owner = ownership_owner(simulation);
    return owner != NULL && process_runs(owner) && ownership_is_valid(owner) && !ownership_is_cut_off(owner);
}

// ---- the owner ----

static void ownership_tell_lease(struct sim_process *process)
{
    int64_t clock_ms = process->simulation->clock_ms;
    int64_t left_ms = process->hold.until_ms - ownership_clock_ms(process);
    broker_lease(process->broker, clock_ms + left_ms, clock_ms);
}

// A question and its answer take no time, or some.
static int64_t ownership_latency_ms(struct simulation *simulation)
{
    return sim_chance(simulation, 20) && !simulation->healed ? sim_between(simulation, 0, 3000)
                                                             : sim_between(simulation, 0, 20);
}

static void ownership_hear_renewal(struct sim_process *process)
{
    bool was_valid = ownership_is_valid(process);
    process->renewal.under_way = false;
    lease_hold_answered(&process->hold, process->renewal.ours, process->renewal.sent_ms);
    if (process->contradicted && process->renewal.ours && process->renewal.sent_ms > process->contradicted_ms) {
        sim_fail(process->simulation, "the store contradicts %s, whose the desk is: %s", process->name,
                 process->engine->reason);
    }
    if (!was_valid && ownership_is_valid(process)) {
        process->simulation->calm_ms = process->simulation->clock_ms;
        process->simulation->counts.lapses++;
        sim_note(process->simulation, "%s has the desk again", process->name);
    }
}

// The row is changed when the renewal comes there, and the answer may be long on its way.
static void ownership_renew(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    struct lease_row *row = &simulation->row;
    int64_t now_ms = ownership_clock_ms(process);
    if (ownership_is_cut_off(process)) {
        return;
    }
    if (process->renewal.under_way && simulation->now_ms >= process->renewal.answer_at_ms) {
        ownership_hear_renewal(process);
    }
    if (process->renewal.under_way || process->hold.fenced || now_ms < process->renewal.sent_ms + LEASE_RENEW_MS) {
        return;
    }
    bool ours = row->held && row->epoch == process->hold.epoch;
    row->renewals += ours;
    process->renewal.under_way = true;
    process->renewal.ours = ours;
    process->renewal.sent_ms = now_ms;
    process->renewal.answer_at_ms = simulation->now_ms + ownership_latency_ms(simulation);
}

static void ownership_fence(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    const char *there[] = { simulation->row.endpoints };
    bool known = simulation->row.held && strcmp(simulation->row.owner, process->name) != 0;
    sim_note(simulation, "%s is fenced", process->name);
    simulation->counts.fenced++;
    broker_fenced(process->broker, there, known ? 1 : 0, "another broker has the desk");
    process_close(process);
    ownership_forget(process);
    process->pause_until_ms = simulation->now_ms + PAUSE_MISSED_MS;
}

static void ownership_begin_hand_over(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    process->successor[0] = ownership_other(process)->name;
    process->handing = true;
    sim_note(simulation, "%s hands the desk to %s", process->name, process->successor[0]);
    broker_hand_over(process->broker, process->successor, 1, simulation->clock_ms);
}

// Nothing of ours is on its way to the store any more.
static void ownership_release(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    struct lease_row *row = &simulation->row;
    if (row->held && row->epoch == process->hold.epoch) {
        row->held = false;
        snprintf(row->successor, sizeof row->successor, "%s", process->successor[0]);
        simulation->counts.handed_over++;
    }
    process_close(process);
    ownership_forget(process);
    process->pause_until_ms = simulation->now_ms + PAUSE_LOOK_MS;
}

// Who has lost the desk and reaches the store learns it.
static void ownership_judge_fenced(const struct sim_process *process)
{
    const struct simulation *simulation = process->simulation;
    int64_t since_ms = simulation->taken_ms;
    since_ms = process->cut_until_ms > since_ms ? process->cut_until_ms : since_ms;
    since_ms = process->frozen_until_ms > since_ms ? process->frozen_until_ms : since_ms;
    if (process->hold.epoch != simulation->row.epoch && simulation->now_ms > since_ms + LEARNT_MS) {
        sim_fail(simulation, "%s has lost the desk for %lld ms and does not know", process->name,
                 (long long) (simulation->now_ms - since_ms));
    }
}

static void ownership_serve(struct sim_process *process)
{
    ownership_renew(process);
    if (process->hold.fenced) {
        ownership_fence(process);
        return;
    }
    ownership_judge_fenced(process);
    ownership_tell_lease(process);
    if (broker_stopped(process->broker) && !ownership_is_cut_off(process)) {
        ownership_release(process);
    }
}

// ---- the challenger ----

static bool ownership_owner_is_dead(const struct simulation *simulation, const struct lease_row *row)
{
    for (size_t i = 0; i < simulation->process_count; i++) {
        const struct sim_process *process = &simulation->processes[i];
        if (!strcmp(process->name, row->owner)) {
            return simulation->dead_are_seen && !process_is_up(process);
        }
    }
    return true; // nobody ever had it
}

// The desk is taken over if its row is still as it was seen.
static void ownership_take(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    struct lease_row *row = &simulation->row;
    const struct lease_row *seen = &process->seen;
    struct store_position position;
    int64_t sent_ms = ownership_clock_ms(process);
    process->is_free = false;
    lease_watch_lost(&process->watch);
    if (row->epoch != seen->epoch || row->renewals != seen->renewals || row->held != seen->held) {
        process->pause_until_ms = simulation->now_ms + PAUSE_MISSED_MS;
        return;
    }
    const struct sim_process *other = ownership_other(process);
    simulation->counts.taken_over += other->broker != NULL;
    bool taken = process_take_over(process, &position);
    simulation->taken_ms = simulation->now_ms;
    *row = (struct lease_row){ .epoch = position.epoch, .held = true };
    snprintf(row->owner, sizeof row->owner, "%s", process->name);
    snprintf(row->endpoints, sizeof row->endpoints, "%s", process->name);
    if (!taken) {
        process->pause_until_ms = simulation->now_ms + PAUSE_MISSED_MS;
        return;
    }
    lease_hold_begin(&process->hold, position.epoch, sent_ms);
    process->renewal.sent_ms = sent_ms;
    process_open(process, &position);
    if (simulation->seed % 2) { // else it does not know where else it could send people
        process->others[0] = other->name;
        broker_set_others(process->broker, process->others, 1);
    }
    ownership_tell_lease(process);
}

static void ownership_look(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    int64_t now_ms = ownership_clock_ms(process);
    if (process->look.under_way && simulation->now_ms >= process->look.answer_at_ms) {
        process->look.under_way = false;
        bool is_free = lease_watch_seen(&process->watch, &process->look.row, process->look.asked_ms, now_ms);
        process->seen = process->look.row;
        process->is_free = is_free || ownership_owner_is_dead(simulation, &process->seen);
    }
    if (!process->look.under_way && now_ms >= process->look.asked_ms + LEASE_LOOK_MS) {
        process->look.under_way = true;
        process->look.row = simulation->row;
        process->look.asked_ms = now_ms;
        process->look.answer_at_ms = simulation->now_ms + ownership_latency_ms(simulation);
    }
}

// ---- sharing out ----

static void ownership_see_candidates(struct sim_process *process)
{
    static struct candidate_row rows[SIM_PROCESSES * DESKS];
    struct simulation *simulation = process->simulation;
    for (size_t i = 0; i < SIM_PROCESSES * DESKS; i++) {
        const struct sim_process *of = &simulation->processes[i / DESKS];
        rows[i].desk = i % DESKS;
        rows[i].beats = of->beats;
        rows[i].desks = (of->broker != NULL ? 1u : 0u) + (simulation->crowded == of->index ? DESKS - 1u : 0u);
        snprintf(rows[i].broker, sizeof rows[i].broker, "%s", of->name);
        snprintf(rows[i].endpoints, sizeof rows[i].endpoints, "%s", of->name);
    }
    sharing_seen(process->sharing, rows, SIM_PROCESSES * DESKS, ownership_clock_ms(process));
}

// Whether the desk is to be taken now, or handed over.
static void ownership_share(struct sim_process *process)
{
    static const struct lease_row elsewhere;
    struct simulation *simulation = process->simulation;
    struct shared_desk *desk = &process->shared[0];
    struct hand_over hand_over;
    int64_t now_ms = ownership_clock_ms(process);
    bool has_it = process->broker != NULL;
    if (now_ms >= process->beat_ms + SHARING_BEAT_MS) {
        process->beat_ms = now_ms;
        process->beats++;
        ownership_see_candidates(process);
    }
    if (!has_it && !process->is_free && !sharing_is_handing(process->sharing) &&
        now_ms < process->beat_ms + PAUSE_LOOK_MS) {
        return; // there is nothing to decide
    }
    desk->state = has_it             ? (process->handing ? SHARED_LEAVING : SHARED_OURS)
                  : process->is_free ? SHARED_FREE
                                     : SHARED_ELSEWHERE;
    desk->row = &process->seen;
    desk->stood_still = process->seen.held;
    desk->sessions = has_it ? broker_session_count(process->broker) : 0;
    for (size_t i = 1; i < DESKS; i++) {
        process->shared[i].state = simulation->crowded == process->index ? SHARED_OURS : SHARED_ELSEWHERE;
        process->shared[i].row = &elsewhere;
        process->shared[i].sessions = 1000;
    }
    bool hand = sharing_decide(process->sharing, process->shared, now_ms, &hand_over);
    if (hand && hand_over.desk == 0 && has_it && !process->handing) {
        ownership_begin_hand_over(process);
    }
    if (!has_it && process->is_free && desk->take) {
        ownership_take(process);
    }
}

// ---- a step ----

bool ownership_freezes(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    if (simulation->healed || ownership_is_alone(process) || !sim_chance(simulation, 1)) {
        return false;
    }
    process->frozen_until_ms = simulation->now_ms + sim_between(simulation, 100, 15000);
    sim_note(simulation, "%s is stopped for a while", process->name);
    return true;
}

static void ownership_meet_trouble(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    if (simulation->healed || ownership_is_cut_off(process)) {
        return;
    }
    if (sim_chance(simulation, 1)) {
        process->cut_until_ms = simulation->now_ms + sim_between(simulation, 500, 15000);
        lease_watch_lost(&process->watch);
        sim_note(simulation, "%s is cut off from its store", process->name);
    } else if (sim_chance(simulation, 2)) {
        simulation->crowded = (size_t) sim_between(simulation, 0, SIM_PROCESSES);
    }
}

static void ownership_step_alone(struct sim_process *process)
{
    struct store_position position;
    if (process->broker == NULL && process->simulation->now_ms >= process->pause_until_ms) {
        if (process_take_over(process, &position)) {
            process_open(process, &position);
        } else {
            process->pause_until_ms = process->simulation->now_ms + PAUSE_MISSED_MS;
        }
    }
}

void ownership_step(struct sim_process *process)
{
    if (!process_runs(process)) {
        return;
    }
    if (ownership_is_alone(process)) {
        ownership_step_alone(process);
        return;
    }
    ownership_meet_trouble(process);
    if (process->broker != NULL) {
        ownership_serve(process);
    } else if (!ownership_is_cut_off(process) && process->simulation->now_ms >= process->pause_until_ms) {
        ownership_look(process);
    }
    if (!ownership_is_cut_off(process)) {
        ownership_share(process);
    }
}

void ownership_redirect(struct sim_process *process, uint64_t peer, const void *frame, size_t frame_bytes)
{
    size_t bytes = 0;
    bool noise;
    bool nowhere = process->watch.quiet || !process->seen.held || process->is_free;
    redirect_set_owner(&process->redirect, process->seen.endpoints, nowhere, process->name);
    void *answer = redirect_answer(&process->redirect, frame, frame_bytes, &bytes, &noise);
    if (answer != NULL) {
        network_to_client(process->simulation, NULL, peer, answer, bytes);
    }
}

// ---- judging ----

// A batch goes out in a term alone.
void ownership_judge_batch(const struct sim_process *process)
{
    if (!ownership_is_valid(process)) {
        sim_fail(process->simulation, "something is to be made durable by a broker whose term has lapsed");
    }
}

// Whoever has lost the desk writes nothing more.
void ownership_judge_durable(const struct sim_process *process)
{
    const struct simulation *simulation = process->simulation;
    bool writes = batch_group_change_count(process->batch) > 0;
    if (writes && !ownership_is_alone(process) && process->hold.epoch != simulation->row.epoch) {
        sim_fail(simulation, "%s has written under epoch %llu, and the desk is at epoch %llu", process->name,
                 (unsigned long long) process->hold.epoch, (unsigned long long) simulation->row.epoch);
    }
}

void ownership_contradicted(struct sim_process *process)
{
    const struct simulation *simulation = process->simulation;
    if (ownership_is_alone(process) || process->hold.epoch == simulation->row.epoch) {
        sim_fail(simulation, "the store contradicts the desk: %s", process->engine->reason);
    }
    sim_note(simulation, "%s is refused what it writes", process->name);
    process->contradicted_ms = ownership_clock_ms(process);
    process->simulation->counts.refused++;
}

static bool ownership_is_silent(const struct client *client)
{
    const struct sim_process *process = client->process;
    return process->broker == NULL || !ownership_is_valid(process) ||
           (!ownership_is_alone(process) && process->hold.epoch != client->simulation->row.epoch);
}

void ownership_judge_spoken(const struct client *client, const struct behalf_message *message)
{
    static const char *const of_no_desk[] = { "BUSY", "TOO_MANY", "NOT_SIGNED_IN", "MALFORMED" };
    if (!ownership_is_silent(client) || message->type == BEHALF_MOVED ||
        (message->type == BEHALF_BYE && !strcmp(message->bye.reason, "restarting"))) {
        return;
    }
    for (size_t i = 0; message->type == BEHALF_ERROR && i < sizeof of_no_desk / sizeof *of_no_desk; i++) {
        if (!strcmp(message->error.code, of_no_desk[i])) {
            return;
        }
    }
    if (message->type == BEHALF_ERROR && !strncmp(message->error.reason, "a session of this role may not", 30)) {
        return; // whoever has the desk
    }
    sim_fail(client->simulation, "%s was told %s by %s, %s", client->name, behalf_type_name(message->type),
             client->process->name,
             ownership_is_valid(client->process) ? "and another broker has taken the desk" : "whose term has lapsed");
}

void ownership_judge_clients(struct simulation *simulation)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        const struct client *client = &simulation->clients[i];
        if (client->session != NULL && client->peer && ownership_is_silent(client) && process_runs(client->process) &&
            client->to_client.first == NULL && behalf_session_is_sure(client->session)) {
            sim_fail(simulation, "%s is sure of what they have, by %s, whose term has lapsed", client->name,
                     client->process->name);
        }
    }
}
