// applying.c - the tables of a store that keeps a journal: when they are brought up to it, and what is in the way.
//
// In some runs what is durable is applied at once, in some with a long lag, many groups at a time.  Now and then
// somebody locks the tables for a while, or the process dies in the midst of an apply.  Meanwhile nothing is asked of
// the tables that they do not know yet; when they are behind intake pauses, and when they are far behind the store
// counts as away.

#include "tests/sim/simulation.h"

#define BEHIND_BATCHES 3 // what had been decided, or asked of the store, before intake paused

void applying_begin(struct simulation *simulation)
{
    static const unsigned chances[] = { 500, 80, 10 };
    simulation->checks_stories = true;
    if (sim_chance(simulation, 400)) {
        memory_disk_keep_journal(simulation->disk);
        simulation->keeps_journal = true;
        simulation->checks_stories = sim_chance(simulation, 250); // by which everything is applied at once
        simulation->apply_chance = chances[sim_between(simulation, 0, sizeof chances / sizeof *chances - 1)];
    }
}

static void applying_tell_behind(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    bool behind = process->engine->operations->is_behind(process->engine);
    if (behind != process->behind) {
        process->behind = behind;
        process->behind_batches = 0;
        simulation->counts.times_behind += behind;
        sim_note(simulation, "the tables %s", behind ? "are behind" : "keep up again");
    }
    broker_store_behind(process->broker, behind);
}

void applying_meet_trouble(struct simulation *simulation)
{
    struct journal *journal = memory_disk_journal(simulation->disk);
    if (journal == NULL) {
        return;
    }
    if (simulation->healed) {
        journal_lock_tables(journal, false);
        simulation->locked_until_ms = 0;
    } else if (simulation->locked_until_ms) {
        if (simulation->now_ms >= simulation->locked_until_ms) {
            sim_note(simulation, "the tables are free again");
            journal_lock_tables(journal, false);
            simulation->locked_until_ms = 0;
        }
    } else if (sim_chance(simulation, 3)) {
        sim_note(simulation, "somebody locks the tables");
        journal_lock_tables(journal, true);
        simulation->locked_until_ms = simulation->now_ms + sim_between(simulation, 100, 15000);
    }
}

void applying_step(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    if (!simulation->keeps_journal || ownership_is_cut_off(process)) {
        return;
    }
    struct journal *journal = memory_disk_journal(simulation->disk);
    if (journal_lag(journal) > 0 && sim_chance(simulation, simulation->healed ? 500 : simulation->apply_chance)) {
        if (!simulation->healed && sim_chance(simulation, 30)) {
            journal_plan_crash(journal, (int) sim_between(simulation, 1, 4000));
        }
        size_t before = journal_lag(journal);
        size_t most = sim_chance(simulation, 500) ? SIZE_MAX : (size_t) sim_between(simulation, 1, 6);
        if (memory_disk_apply(process->engine, most) == STORE_OK) {
            sim_note(simulation, "%zu of %zu groups are applied", before - journal_lag(journal), before);
        }
    }
    if (memory_disk_engine_died(process->engine)) {
        simulation->counts.apply_crashes++;
    } else {
        applying_tell_behind(process);
    }
}

void applying_judge_batch(struct sim_process *process, struct batch *batch)
{
    struct simulation *simulation = process->simulation;
    if (!process->behind || process->behind_batches++ < BEHIND_BATCHES) {
        return;
    }
    const struct change *change = change_list_changes(batch_list(batch));
    for (; change != NULL; change = change->next) {
        if (change->kind == CHANGE_POST) {
            sim_fail(simulation, "post %s was taken in although the tables are behind", change->post.post);
        }
    }
}

void applying_judge_end(struct simulation *simulation)
{
    char why[64];
    size_t groups, applies;
    if (!simulation->keeps_journal) {
        return;
    }
    struct engine *engine = ownership_owner(simulation)->engine;
    if (memory_disk_apply(engine, SIZE_MAX) != STORE_OK) {
        sim_fail(simulation, "what is durable cannot be applied: %s", engine->reason);
    }
    if (!memory_disk_tables_agree(simulation->disk, why, sizeof why)) {
        sim_fail(simulation, "once all is applied the tables are not as they were written: %s", why);
    }
    journal_count(memory_disk_journal(simulation->disk), &groups, &applies);
    simulation->counts.groups_applied += groups;
    simulation->counts.applies += applies;
}
