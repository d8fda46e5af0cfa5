/** Source of time and random numbers. A simulation replaces it. */
export interface Clock {
  /** Monotonic time, ms. */
  now(): number
  /** A number from 0 (inclusive) to 1 (exclusive). */
  random(): number
  /** Calls `fire` after `ms`. Returns a function that cancels the timer. */
  timer(ms: number, fire: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  timer: (ms, fire) => {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  },
}

/** Resolves early when the signal is aborted. */
export const pause = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> => {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      signal?.removeEventListener('abort', done)
      cancel()
      resolve()
    }
    const cancel = clock.timer(ms, done)
    signal?.addEventListener('abort', done)
  })
}
