/** A problem with an entry that the schema does not find: where below the entry, and what. */
export interface EntryProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}
