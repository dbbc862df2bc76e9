// simulation.h - desk, sessions, clients, store and one or two brokers in one process, in virtual time, under one seed.
//
// The broker, the desk, triage, the engine on SQLite and the clients' half of a session are the real code.  Made
// up are the network between them (delay, repetition, reordering, broken connections), the clock (which
// jumps), the disk (which is in memory, fails, loses the unsynced, and leaves commits in doubt), the process (which is
// killed between any two steps), and the people and platforms at the ends.  In some runs the store has two steps, a
// journal and tables that are brought up to it later (tests/unit/journaling_engine.h); in some two brokers share it.
//
// Phase one hurts and checks that nothing wrong happens; phase two heals the world and requires that every
// item ends.  Everything drawn comes from the seed: the same seed and build repeat a run exactly.
//
// That the judges see what they are there for is shown by planted faults: `tests/sim/find-holes` leaves out one check
// of the broker's authority after the other, and `tests/sim/find-holes --check` repeats that, as a test, at the seeds
// kept in found-holes.txt.  Whoever changes what is drawn or judged here runs it, and, when a check is found at another
// seed by then, `tests/sim/find-holes --write`.

#ifndef SIM_SIMULATION_H
#define SIM_SIMULATION_H

#include "broker/ownership/lease_watch.h"
#include "broker/ownership/sharing.h"
#include "broker/session/broker.h"
#include "broker/session/redirect.h"
#include "tests/unit/memory_disk.h"
#include "proto/session.h"
#include "tests/unit/answers.h"

#define SIM_PROCESSES 2
#define SIM_PEOPLE 10
#define SIM_CONNECTORS 3
#define SIM_CLIENTS (SIM_PEOPLE + SIM_CONNECTORS + 2) // and one that feeds, and one that asks
#define SIM_JUMPS_MAX 64
#define SIM_POSTS_MAX 400
#define SIM_ITEMS_MAX 2000
#define SIM_REPLIES_MAX 4000
#define SIM_MISDEEDS 32 // of one client, that it remembers
#define SIM_NOTES_MAX 4000

struct simulation;

// One frame on its way.
struct packet {
    struct packet *next;
    int64_t at_ms;
    void *frame;
    size_t bytes;
};

// What one end of a connection will receive, in order of arrival.
struct line {
    struct packet *first;
};

enum client_role { CLIENT_PERSON, CLIENT_CONNECTOR, CLIENT_FEED, CLIENT_CONTROL };

// What a person's client believes to have.
struct belief {
    int64_t item, lease;
    int64_t asked_lease; // of the last request
    bool held;
    bool fate_unknown;
    bool approving, pr;
    bool not_to_approve;    // it was refused: its draft's author is no longer in the rules, or was not after a crash
    int64_t reply_until_ms; // the platform takes no reply after this; 0: it always does
    char draft[64];
    bool asked;       // a request about it is under way
    int64_t behind;   // the last request, when it was sent under an old lease
    int64_t drafting; // the last request, when it leaves a draft
};

// A request that need not be the client's to make.
struct misdeed {
    int64_t request; // 0: none
    int64_t item, lease;
    enum behalf_type type;
    const char *why_not; // why it must be refused; NULL: it may be right
};

// What the broker has said about an item under its newest lease.
struct shown {
    int64_t lease; // 0: nothing
    int64_t took;  // the newest lease under which somebody sent TAKE
    size_t client;
    char audience[12];
    bool held, ended;
    char state[12]; // as last told
    int64_t posts;  // in the story as last told, if that was all of it; else -1
};

// What has happened, of which a run says how often.
struct sim_counts {
    size_t merges[4];               // into an item that waits, is offered, held, parked
    size_t sealing;                 // of these, sensitive ones into what was not PR's
    size_t taken_back;              // replies that a sensitive post or edit stopped
    size_t follow_ups_sending;      // while the item before was being answered
    size_t follow_ups_ended;        // soon after that had ended
    size_t groups_applied, applies; // of journals
    size_t apply_crashes, times_behind;
    size_t taken_over; // from a process that went on serving
    size_t handed_over, fenced, lapses;
    size_t refused; // writes of who had lost the desk
};

struct client {
    struct simulation *simulation;
    size_t index;
    enum client_role role;
    const char *name;
    bool agent;      // a person who is not PR; false where that is not certain
    bool idempotent; // a connector
    char instance[32];
    struct behalf_session *session;
    uint64_t peer;               // of the present connection; 0: none
    struct sim_process *process; // to which that leads
    struct line to_client, to_broker;
    struct belief beliefs[8];
    size_t belief_count;
    int64_t off_until_ms;    // signed out till then
    int64_t asleep_until_ms; // a person's: does nothing till then
    bool settled;            // has chosen how it lives in the healed world
    bool absent;             // is not in it
    bool greeted;            // has said there what it must
    int64_t next_id;
    struct misdeed misdeeds[SIM_MISDEEDS]; // a ring
    size_t misdeed_next;
    int64_t meddling; // a connector's: the last SETTLE of a reply that is another's
    // A connector's replies published or not yet settled.
    struct {
        int64_t reply;
        int64_t attempt;
        int64_t request;
        int64_t at_ms; // when its platform is done with it
        const char *fate;
    } replies[64];
    size_t reply_count;
};

struct sim_post {
    struct sim_post *twin;  // another brand's post of the same channel and id; NULL: there is none
    struct sim_post *after; // the post of the same author in the same thread that it goes on from; NULL: none
    const char *moment;     // it comes when the item of that one is said to be so; "": at any time
    bool second;            // of the two
    char id[24];
    char author[24];
    char thread[24];
    char text[96];
    const char *brand, *channel;
    bool sensitive, repeat_wanted, edited, deleted;
    int64_t posted_ms;
    int64_t request;
    bool sent, taken;
    int64_t item;
    int64_t edit; // the request of its last edit, while that is under way
    bool edit_sensitive;
    bool edit_reaches;                    // it was taken before its last edit was sent
    int64_t deletion;                     // the request of its deletion
    bool early_sensitive, early_deletion; // acknowledged before the post came
    bool ever_sensitive;                  // a text that its author gave it, acknowledged while it was not deleted
};

// A request as it went over the wire.
struct sim_said {
    size_t client;
    enum behalf_type type;
    int64_t id;
    void *frame;
    size_t bytes;
    bool answered; // as done
};

// A broker's process.
struct sim_process {
    struct simulation *simulation;
    size_t index;
    const char *name;        // where clients find it
    int64_t down_until_ms;   // it was killed
    int64_t frozen_until_ms; // it was stopped in the midst of everything
    int64_t cut_until_ms;    // it does not reach its store
    // While it has the desk, or believes it has.
    struct engine *engine;
    struct broker *broker;
    struct batch *batch;
    bool doubt, away;
    bool contradicted; // another has taken the desk, and it does not know
    int64_t contradicted_ms;
    int64_t batch_at_ms;
    size_t idle_steps;     // in which no batch was out
    bool behind;           // its tables are
    size_t behind_batches; // handed out since then
    // ownership.c's, on the process's own clock.
    int64_t pause_until_ms; // before it looks at the desk again
    struct lease_hold hold;
    struct {
        bool under_way, ours;
        int64_t sent_ms, answer_at_ms;
    } renewal;
    struct lease_watch watch;
    struct {
        bool under_way;
        int64_t asked_ms, answer_at_ms;
        struct lease_row row;
    } look;
    struct lease_row seen;
    bool is_free; // the desk, as seen
    struct sharing *sharing;
    struct shared_desk shared[3];
    int64_t beat_ms;
    uint64_t beats;
    bool handing;
    const char *successor[1], *others[1];
    struct redirect redirect;
};

struct simulation {
    uint64_t seed, random;
    int64_t now_ms, clock_ms; // virtual time, and the broker's clock, which may jump ahead of it
    bool healed;
    // The brokers' side.
    struct memory_disk *disk;
    struct sim_process processes[SIM_PROCESSES];
    size_t process_count;
    struct lease_row row; // the desk's, in the store that they share
    int64_t taken_ms;     // when it was taken last
    size_t crowded;       // the process that has other desks besides; SIM_PROCESSES: none
    bool dead_are_seen;   // a process sees at once that another one has died
    uint64_t next_peer;
    bool checks_stories; // what the broker has in memory, by asking the store all the same
    // Of a store that keeps a journal.
    bool keeps_journal;
    unsigned apply_chance;   // a step, of a thousand
    int64_t locked_until_ms; // its tables are; 0: they are not
    // The clients' side.
    struct client clients[SIM_CLIENTS];
    struct sim_post posts[SIM_POSTS_MAX];
    size_t post_count;
    // What the judge knows.
    struct answers *asked;              // what each client has asked
    uint64_t disk_changes, looked_at;   // times the disk may have changed, and how many when it was last looked at
    uint8_t published[SIM_REPLIES_MAX]; // times published, by reply id
    bool settled_confirmed[SIM_REPLIES_MAX];
    bool reply_idempotent[SIM_REPLIES_MAX];
    uint16_t handed_to[SIM_REPLIES_MAX]; // clients that were handed it, as bits
    bool drafted[SIM_ITEMS_MAX];         // has had a draft that was DONE
    int64_t jumped_ms[SIM_JUMPS_MAX];    // the broker's clock after each jump that a broker lived through
    unsigned variant;                    // of the rules applied last
    int64_t applying;                    // the request that did, or is under way
    bool released[SIM_ITEMS_MAX];        // returned by PR, by item id
    struct {
        int64_t request;           // that did, or is under way; 0: none
        size_t client;             // whose it is: ids are each client's own
    } releasing[SIM_ITEMS_MAX][2]; // and the last one that was said meanwhile
    struct shown shown[SIM_ITEMS_MAX];
    int64_t reply_until_ms[SIM_ITEMS_MAX]; // the platform takes no reply to the item after this, as last shown
    char *mischief_rules;
    int64_t promised[SIM_ITEMS_MAX]; // a reply whose ANSWER was DONE, by item id; the newest
    struct sim_said *said;           // all requests that are to be remembered, in the order in which they were made
    size_t said_count, repeats;
    size_t notes;                      // written so far
    uint8_t noted[SIM_NOTES_MAX];      // times on disk, by their number
    int64_t touched_ms[SIM_ITEMS_MAX]; // when somebody last asked for something about the item, by the broker's clock
    int64_t calm_ms;                   // since when nothing gave holds a fresh time
    struct sim_counts counts;
    size_t crashes, faults, breaks, answers, escalations, jumps, applied;
    char mark[40]; // a text that says of which item it is
    bool verbose;
    bool traced;
    struct trace trace;
};

// `verbose` tells what happens in the world, `traced` what brokers do (broker/session/trace.h).  What happened is added
// to `counts`.
void simulation_run(uint64_t seed, bool verbose, bool traced, struct sim_counts *counts);

// What a broker has to say goes out on the network.
void sim_take_frames(struct simulation *simulation, struct broker *broker);

// ---- chance ----
uint64_t sim_random(struct simulation *simulation);
bool sim_chance(struct simulation *simulation, unsigned per_thousand);
int64_t sim_between(struct simulation *simulation, int64_t least, int64_t most);

// Stops with the seed and the command that repeats it.
__attribute__((format(printf, 2, 3))) void sim_fail(const struct simulation *simulation, const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_note(const struct simulation *simulation, const char *format, ...);

// ---- actors.c: people and connectors ----
void actors_init(struct simulation *simulation);
void actors_fini(struct simulation *simulation);
void actor_act(struct client *client);
void actor_hear(struct client *client, const struct behalf_message *message);
void feed_make_posts(struct simulation *simulation);
size_t sim_post_index(const struct simulation *simulation, const char *id, const char *brand); // SIM_POSTS_MAX: none

// Whether a post may come to be of a further item than the one it was taken into.
bool sim_may_move(const struct sim_post *post);
bool feed_is_done(const struct simulation *simulation);

// The person's client tries to return PR's item: from now on agents may see its posts.
void sim_release(struct client *client, int64_t item, int64_t request);

// ---- misdeeds.c: what is not theirs to ask ----
void act_badly(struct client *client);
struct misdeed *misdeed_of(struct client *client, int64_t request); // NULL: the request is none
void misdeeds_heard(struct simulation *simulation, const struct client *client, const struct behalf_message *message);
void misdeeds_judge(struct client *client, const struct behalf_message *message);
// Notes what PR may return by what is being said.
void misdeeds_release(struct client *client, const struct behalf_message *message, int64_t request);

// ---- asking.c: LOOK, STATUS, WHY, OUTCOMES, APPLY ----
char *rules_variant(unsigned variant); // owned by the caller
// What the rules say of a person, by index.
bool sim_has_role(size_t person, const char *role);
bool sim_has_brand(size_t person, const char *brand);
bool sim_has_language(size_t person, const char *language);
size_t sim_capacity(size_t person);
bool sim_serves(size_t person, const char *queue, unsigned variant);
void act_control(struct client *client);
void hear_control(struct client *client, const struct behalf_message *message);
void ask_for_listing(struct client *client);
void asking_judge(struct client *client, const struct behalf_message *message);
void asking_judge_report(const struct simulation *simulation, const struct report *report); // just answered
int64_t client_send(struct client *client, struct behalf_message message);

// ---- once.c ----
void once_note(const struct client *client, const struct behalf_message *message); // it is being sent
void once_repeat(struct simulation *simulation);                                   // somebody says something again
void once_judge(struct simulation *simulation, const struct client *client, const struct behalf_message *message);
void once_check_disk(struct simulation *simulation);
void once_check_end(struct simulation *simulation);
void once_fini(struct simulation *simulation);

// ---- network.c ----
void network_step(struct simulation *simulation);
void network_break(struct simulation *simulation, struct client *client, const char *reason);
void network_to_broker(struct client *client, const void *frame, size_t bytes); // a copy, besides the session's own
void network_to_client(struct simulation *simulation, struct broker *broker, uint64_t peer, void *frame, size_t bytes);
void network_clear(struct line *line);

// ---- process.c ----
// True when it is taken over; if not, it may be tried again.  `position` is where it is then.
bool process_take_over(struct sim_process *process, struct store_position *position);
void process_open(struct sim_process *process, const struct store_position *position);
void process_close(struct sim_process *process); // once its broker has said its last
void process_kill(struct sim_process *process);
void process_end(struct sim_process *process); // at the end of a run
void process_step(struct sim_process *process);
bool process_is_up(const struct sim_process *process);
bool process_runs(const struct sim_process *process); // and is not stopped
struct sim_process *process_by_name(struct simulation *simulation, const char *name);

// ---- ownership.c ----
void ownership_begin(struct simulation *simulation);
void ownership_end(struct simulation *simulation);
void ownership_step(struct sim_process *process);    // time has passed
void ownership_forget(struct sim_process *process);  // that it has the desk, or might
bool ownership_freezes(struct sim_process *process); // it is stopped here and now
bool ownership_is_cut_off(const struct sim_process *process);
bool ownership_is_valid(const struct sim_process *process);         // it may speak, as far as it knows
struct sim_process *ownership_owner(struct simulation *simulation); // NULL: nobody has the desk
bool ownership_stands(struct simulation *simulation);               // somebody has, and is at work
// A process without the desk has received a frame.
void ownership_redirect(struct sim_process *process, uint64_t peer, const void *frame, size_t frame_bytes);
void ownership_contradicted(struct sim_process *process); // by the store
void ownership_judge_batch(const struct sim_process *process);
void ownership_judge_durable(const struct sim_process *process);
void ownership_judge_spoken(const struct client *client, const struct behalf_message *message);
void ownership_judge_clients(struct simulation *simulation);

// ---- judge.c ----
void judge_published(struct simulation *simulation, const struct client *client, const struct behalf_reply *reply);
// What the broker says to a client at this moment, before the network has it.
void judge_spoken(struct simulation *simulation, struct client *client, const void *frame, size_t bytes);
void judge_told(const struct simulation *simulation, const struct broker *broker); // how far the desk was
int64_t judge_taken(struct simulation *simulation, const struct sim_post *post);   // the item it is in
void judge_early(struct simulation *simulation, const struct sim_post *post);
void judge_edited(struct simulation *simulation, const struct sim_post *post, int64_t item);
void judge_reached(struct simulation *simulation, const struct sim_post *post, int64_t item);
void judge_disk(struct simulation *simulation);
// Why the world is not at its end yet, or NULL when all is done.
const char *judge_pending(struct simulation *simulation);
void judge_end(struct simulation *simulation);

// ---- applying.c ----
void applying_begin(struct simulation *simulation);
void applying_meet_trouble(struct simulation *simulation); // whether there is a broker or not
void applying_step(struct sim_process *process);
void applying_judge_batch(struct sim_process *process, struct batch *batch);
void applying_judge_end(struct simulation *simulation);

// ---- merges.c ----
void merges_judge(struct simulation *simulation); // at the end of a run

// ---- history.c: what the events say, in their order ----
size_t person_by_name(const struct simulation *simulation, const char *name); // SIM_PEOPLE: nobody
void history_begin(struct simulation *simulation);
void history_event(const struct event_record *event);
bool history_is_there(size_t person);         // signed in and not away
int64_t history_unapproved_ms(uint64_t item); // when an agent last answered it without an approver; 0: never
const char *history_born_for(uint64_t item, int64_t *born_ms); // the audience a new item came to

#endif
