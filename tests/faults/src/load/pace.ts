/** Events may run ahead of the faults that are under way by this part of all. */
const AHEAD_MAX = 0.12
/**
 * Records that wait in all stages: up to the first, events have the whole rate, beyond the second only a little of it.
 */
const BACKLOG_FINE = 20_000
const BACKLOG_MAX = 40_000

const within = (value: number): number => Math.min(1, Math.max(0, value))

/**
 * How much of its rate the load may have: all of it, unless the events run ahead of the earliest fault that is still
 * under way (`faultAt`, as a part of the events), so that the rest would meet no faults, or the pipeline has a backlog.
 */
export const shareOf = (progress: number, faultAt: number, backlog: number): number =>
  Math.min(
    within((faultAt + AHEAD_MAX - progress) / AHEAD_MAX),
    within((BACKLOG_MAX - backlog) / (BACKLOG_MAX - BACKLOG_FINE)),
  )
