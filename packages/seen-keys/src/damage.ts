/**
 * What is stored is not what was written: a damaged disk, or something else wrote there. Nothing of the store may be
 * used any more; the state topic has it all.
 */
export class StoreDamagedError extends Error {
  override readonly name = 'StoreDamagedError'
}
