/**
 * What is stored is not what was written: a damaged disk, or something else wrote there. Nothing of the store may be
 * used any more; the state topic has it all.
 */
export class StoreDamagedError extends Error {
  override readonly name = 'StoreDamagedError'
}

/** What is stored is of a format that only a newer version knows. It is left as it is: a person must decide. */
export class StoreNewerError extends Error {
  override readonly name = 'StoreNewerError'
}
