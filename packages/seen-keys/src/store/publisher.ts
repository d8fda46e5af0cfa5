import { rmSync } from 'node:fs'
import { publishManifest, type Manifest } from './manifest.ts'

/**
 * Writes a store's manifest to disk, after the files that it names and before the files are deleted that it no longer
 * names. Writes one manifest at a time in the background; changes in the meantime go with the next.
 */
export class Publisher {
  readonly #folder: string
  readonly #manifest: () => Manifest
  readonly #onError: (error: unknown) => void
  #waiting: { readonly files: string[]; readonly obsolete: string[] } | undefined
  #running: Promise<void> | undefined
  #stopped = false

  /** `manifest` returns the present contents. */
  constructor(folder: string, manifest: () => Manifest, onError: (error: unknown) => void) {
    this.#folder = folder
    this.#manifest = manifest
    this.#onError = onError
  }

  publish(files: readonly string[], obsolete: readonly string[]): void {
    this.#waiting ??= { files: [], obsolete: [] }
    this.#waiting.files.push(...files)
    this.#waiting.obsolete.push(...obsolete)
    this.#running ??= this.#run()
      .catch(this.#onError)
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Stops publishing, from the next manifest on. */
  stop(): void {
    this.#stopped = true
  }

  async done(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting !== undefined && !this.#stopped) {
      const { files, obsolete } = this.#waiting
      this.#waiting = undefined
      await publishManifest(this.#folder, this.#manifest(), files, () => !this.#stopped)
      if (this.#isStopped()) return
      for (const file of obsolete) rmSync(file, { force: true })
    }
  }

  #isStopped(): boolean {
    return this.#stopped
  }
}
