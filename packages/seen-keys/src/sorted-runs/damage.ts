/**
 * The stored bytes differ from what was written: the disk is damaged, or another program wrote there. Nothing in the
 * store may be used any more. The changelog holds everything.
 */
export class StoreDamagedError extends Error {
  override readonly name = 'StoreDamagedError'
}

/**
 * The stored bytes have a format that only a newer version knows. They are left as they are, because a person must
 * decide.
 */
export class StoreNewerError extends Error {
  override readonly name = 'StoreNewerError'
}
