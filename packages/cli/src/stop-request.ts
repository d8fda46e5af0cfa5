/** Why the run should end before its time. */
export interface StopRequest {
  readonly requested: Promise<string>
  /** Throws when a stop has been requested. */
  check(): void
}

/** The run was told to stop. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError'
}

const WATCH_MS = 500

/** A signal, or the death of the parent, even by SIGKILL. A second signal ends the process at once. */
export const watchForStop = (): StopRequest => {
  const stop = Promise.withResolvers<string>()
  let reason: string | undefined
  const request = (why: string): void => {
    reason ??= why
    stop.resolve(why)
  }
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals += 1
      if (signals > 2) process.exit(130)
      request(signal)
    })
  }
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) request('the parent has ended')
  }, WATCH_MS).unref()
  return {
    requested: stop.promise,
    check: () => {
      if (reason !== undefined) throw new StoppedError(reason)
    },
  }
}
