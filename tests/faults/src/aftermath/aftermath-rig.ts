import type { Instance } from '../rig/instance.ts'
import type { Servers } from '../rig/servers.ts'

/** What the scenarios of this folder need of a run. */
export interface AftermathRig {
  readonly servers: Servers
  readonly instances: readonly Instance[]
  /** Sends new events, `events` of them. Resolves when ingress has acknowledged all of them. */
  send(events: number): Promise<void>
  /** Waits until nothing is under way; returns what still is after its time. */
  untilQuiet(ms: number): Promise<readonly string[]>
  /** Of all events so far. */
  judge(): Promise<{ readonly lost: number; readonly duplicated: number }>
  /** The `weir` command, with the settings of the services; resolves to what it prints, rejects when it fails. */
  weir(args: readonly string[]): Promise<string>
  progress(text: string): void
}
