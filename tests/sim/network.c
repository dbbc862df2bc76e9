// network.c - the simulated network: frames delayed, repeated, reordered and lost, connections broken.

#include "tests/sim/simulation.h"

#include <stdlib.h>
#include <string.h>

void network_clear(struct line *line)
{
    while (line->first != NULL) {
        struct packet *packet = line->first;
        line->first = packet->next;
        free(packet->frame);
        free(packet);
    }
}

// Frames keep their order, as the real transport keeps it, but now and then one is repeated or overtakes.
static bool ends_with_welcome(const struct line *line)
{
    const struct packet *last = line->first;
    while (last != NULL && last->next != NULL) {
        last = last->next;
    }
    return last != NULL && last->bytes > 9 && !memcmp((const char *) last->frame + 1, "\xa7WELCOME", 8);
}

static void put(struct simulation *simulation, struct line *line, void *frame, size_t bytes)
{
    struct packet *packet = calloc(1, sizeof *packet);
    *packet =
        (struct packet){ .at_ms = simulation->now_ms + sim_between(simulation, 0, 30), .frame = frame, .bytes = bytes };
    // Nothing comes before WELCOME: what a client hears then belongs to no session.
    bool overtakes = !simulation->healed && sim_chance(simulation, 5) && !ends_with_welcome(line);
    struct packet **place = &line->first;
    while (*place != NULL && !(overtakes && (*place)->next == NULL)) {
        place = &(*place)->next;
    }
    if (line->first != NULL && !overtakes) {
        struct packet *last = line->first;
        while (last->next != NULL) {
            last = last->next;
        }
        if (packet->at_ms < last->at_ms) {
            packet->at_ms = last->at_ms;
        }
    }
    packet->next = *place;
    *place = packet;
}

static struct packet *due(struct simulation *simulation, struct line *line)
{
    struct packet *packet = line->first;
    if (packet == NULL || packet->at_ms > simulation->now_ms) {
        return NULL;
    }
    line->first = packet->next;
    return packet;
}

void network_break(struct simulation *simulation, struct client *client, const char *reason)
{
    simulation->breaks++;
    sim_note(simulation, "%s: connection breaks: %s", client->name, reason);
    network_clear(&client->to_client);
    network_clear(&client->to_broker);
    if (client->session != NULL) {
        behalf_session_lost(client->session, reason, simulation->now_ms);
    }
    client->peer = 0;
}

void network_to_client(struct simulation *simulation, struct broker *broker, uint64_t peer, void *frame, size_t bytes)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        if (simulation->clients[i].peer == peer) {
            judge_spoken(simulation, &simulation->clients[i], frame, bytes);
            put(simulation, &simulation->clients[i].to_client, frame, bytes);
            return;
        }
    }
    free(frame);
    if (broker != NULL) {
        broker_peer_lost(broker, peer, "gone", simulation->clock_ms);
    }
}

static void receive(struct client *client, const struct packet *packet)
{
    struct sim_process *process = client->process;
    if (process->broker != NULL) {
        broker_receive(process->broker, client->peer, packet->frame, packet->bytes, client->simulation->clock_ms);
    } else {
        ownership_redirect(process, client->peer, packet->frame, packet->bytes);
    }
}

static void deliver_to_broker(struct simulation *simulation, struct client *client)
{
    struct packet *packet;
    while (client->peer && process_runs(client->process) && (packet = due(simulation, &client->to_broker)) != NULL) {
        size_t times = !simulation->healed && sim_chance(simulation, 10) ? 2 : 1;
        answers_asked(simulation->asked, client->index, packet->frame, packet->bytes);
        for (size_t i = 0; i < times; i++) {
            receive(client, packet);
        }
        free(packet->frame);
        free(packet);
    }
}

static void deliver_to_client(struct simulation *simulation, struct client *client)
{
    struct packet *packet;
    while (client->session != NULL && client->peer && (packet = due(simulation, &client->to_client)) != NULL) {
        behalf_session_receive(client->session, packet->frame, packet->bytes, simulation->now_ms);
        free(packet->frame);
        free(packet);
    }
}

static void connect_if_ordered(struct simulation *simulation, struct client *client)
{
    size_t broker;
    if (!behalf_session_connect_order(client->session, &broker)) {
        return;
    }
    network_clear(&client->to_client);
    network_clear(&client->to_broker);
    client->process = process_by_name(simulation, behalf_session_broker(client->session, broker));
    if (process_is_up(client->process)) {
        client->peer = ++simulation->next_peer;
    } else {
        client->peer = 0;
        behalf_session_lost(client->session, "refused", simulation->now_ms);
    }
}

void network_to_broker(struct client *client, const void *frame, size_t bytes)
{
    void *copy = malloc(bytes);
    memcpy(copy, frame, bytes);
    put(client->simulation, &client->to_broker, copy, bytes);
}

static void send_outputs(struct simulation *simulation, struct client *client)
{
    size_t bytes;
    const void *frame;
    while (client->peer && (frame = behalf_session_output(client->session, &bytes, simulation->now_ms)) != NULL) {
        network_to_broker(client, frame, bytes);
        behalf_session_sent(client->session, simulation->now_ms);
    }
}

void network_step(struct simulation *simulation)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        struct client *client = &simulation->clients[i];
        if (client->session == NULL) {
            continue;
        }
        deliver_to_broker(simulation, client);
        deliver_to_client(simulation, client);
        behalf_session_tick(client->session, simulation->now_ms);
        connect_if_ordered(simulation, client);
        send_outputs(simulation, client);
        if (!simulation->healed && client->peer && sim_chance(simulation, 3)) {
            uint64_t peer = client->peer;
            network_break(simulation, client, "by chance");
            // The broker may notice at once, or only by silence.
            if (client->process->broker != NULL && sim_chance(simulation, 500)) {
                broker_peer_lost(client->process->broker, peer, "reset", simulation->clock_ms);
            }
        }
    }
}
