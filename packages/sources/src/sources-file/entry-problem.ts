/** What is wrong with an entry beyond the form of its parts: where, below the entry, and what. */
export interface EntryProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}
