/** Time and chance, so that a simulation can give its own. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number
  /** At least 0, less than 1. */
  random(): number
  /** Returns what cancels it. */
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
