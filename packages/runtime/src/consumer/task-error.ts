import { RetriableError, StateError } from '@weir/kafka'

type ErrorClass = abstract new (...args: never[]) => Error

/**
 * What a task throws when another system has failed: an error of the class `away` becomes a `RetriableError`, after
 * which the partition backs off, and one of the class `refused` a `StateError`, which parks it. Others stay as they
 * are.
 */
export const taskErrorOf = (
  error: unknown,
  { away, refused }: { readonly away: ErrorClass; readonly refused?: ErrorClass },
): unknown => {
  if (error instanceof away) return new RetriableError(error.message, { cause: error })
  if (refused !== undefined && error instanceof refused) return new StateError(error.message)
  return error
}
