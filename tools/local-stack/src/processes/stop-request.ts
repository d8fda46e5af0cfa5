/** The run was told to stop; the message is why. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError'
}

/** Why the run should end before its time. */
export interface StopRequest {
  /** Rejects with a `StoppedError`; never resolves. */
  readonly requested: Promise<never>
}

const WATCH_MS = 500
/** One Ctrl-C may come twice, from the terminal and from the parent. */
const SIGNALS_MAX = 2

/** A signal, or the death of the parent, even by SIGKILL. A third signal ends the process at once. */
export const watchForStop = (): StopRequest => {
  const stop = Promise.withResolvers<never>()
  stop.promise.catch(() => undefined)
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals += 1
      if (signals > SIGNALS_MAX) process.exit(130)
      stop.reject(new StoppedError(signal))
    })
  }
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) stop.reject(new StoppedError('the parent has ended'))
  }, WATCH_MS).unref()
  return { requested: stop.promise }
}
