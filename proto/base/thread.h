// thread.h - threads that leave signals to the one that made them, and conditions that wait until a time.

#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// Starts a thread in which every signal is blocked; the caller joins it.
void thread_start(pthread_t *thread, void *(*work)(void *self), void *self);

// A condition for thread_wait_until; ended with pthread_cond_destroy.
void thread_condition_init(pthread_cond_t *condition);

// Waits, with the mutex held, until the condition is signalled (true) or the monotonic clock shows `until_ms` (false).
// Like every condition it may wake for nothing.
bool thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms);

#endif
