type ErrorClass = abstract new (...args: never[]) => Error

/** An action whose errors of `expected` classes are for a person: their message goes to stderr, the exit code is 1. */
export const guarded =
  <A extends unknown[]>(expected: readonly ErrorClass[], act: (...args: A) => Promise<void>) =>
  async (...args: A): Promise<void> => {
    try {
      await act(...args)
    } catch (error) {
      if (!expected.some((one) => error instanceof one)) throw error
      process.stderr.write(`${(error as Error).message}\n`)
      process.exitCode = 1
    }
  }
