import type { ServiceKind } from '../rig/layout.ts'

export type BrokerRole = 'leader' | 'transaction-coordinator' | 'group-coordinator'

/** One fault. `at`: it waits until this part (0 to 1) of the events has been sent. */
export type Step = { readonly at: number } & Fault

export type Fault =
  /** The instance is ended `how`, and its next process has the failpoint. */
  | {
      readonly kind: 'failpoint'
      readonly point: string
      readonly failpoint: string
      readonly how: 'SIGKILL' | 'SIGTERM'
      readonly spec: string
      /** The failpoint ends the process, or lets it go on. */
      readonly ends: boolean
      /** How long it stops the process. */
      readonly pauseMs: number
    }
  | { readonly kind: 'kill' }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'broker-kill'; readonly role: BrokerRole; readonly downMs: number }
  /** Stops two of three brokers, so that nothing can be acknowledged. */
  | { readonly kind: 'brokers-pause'; readonly ms: number }
  /** Stops the followers of a partition, kills its leader, and lets the followers go on. */
  | { readonly kind: 'leader-kill-alone'; readonly pauseMs: number }
  | { readonly kind: 'server-kill'; readonly server: 'postgres' | 'registry'; readonly downMs: number }
  /** Not a fault of Weir's: what a replay that writes to the topic of received webhooks would do. */
  | { readonly kind: 'replay-into-raw'; readonly records: number }

/** Steps on one target, one after another; lanes run side by side. */
export interface Lane {
  /** An instance's name, or `servers`. */
  readonly target: string
  readonly service?: ServiceKind
  readonly steps: readonly Step[]
}

export const describeFault = (fault: Fault): string => {
  switch (fault.kind) {
    case 'failpoint':
      return `${fault.how}, then ${fault.spec}`
    case 'kill':
      return 'SIGKILL'
    case 'pause':
      return `pause ${fault.ms} ms`
    case 'broker-kill':
      return `SIGKILL to the ${fault.role}, back after ${fault.downMs} ms`
    case 'brokers-pause':
      return `pause two brokers ${fault.ms} ms`
    case 'leader-kill-alone':
      return `pause the followers ${fault.pauseMs} ms, SIGKILL to their leader`
    case 'server-kill':
      return `SIGKILL to ${fault.server}, back after ${fault.downMs} ms`
    case 'replay-into-raw':
      return `${fault.records} received records again, with new keys, into the topic of received webhooks`
  }
}
