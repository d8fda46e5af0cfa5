import type { ServiceName } from '@weir/contracts'
import type { StoreName } from '../rig/layout.ts'
import type { Cut } from '../rig/tcp-proxy.ts'
import type { Phase } from './phases.ts'

export type BrokerRole = 'leader' | 'transaction-coordinator' | 'group-coordinator'

/** One fault. `at`: it waits until this part (0 to 1) of the events has been sent. */
export type Step = { readonly at: number; readonly phase?: Phase } & Fault

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
  | { readonly kind: 'server-kill'; readonly server: StoreName; readonly downMs: number }
  /** The instance is ended `how`; its next process is stopped so long after its first assignment, for `ms`. */
  | {
      readonly kind: 'freeze-at-start'
      readonly how: 'SIGKILL' | 'SIGTERM'
      readonly afterMs: number
      readonly ms: number
    }
  /** A further instance starts, or is asked to end. */
  | { readonly kind: 'scale-out' | 'scale-in' }
  | { readonly kind: 'server-stall'; readonly server: StoreName; readonly ms: number }
  | {
      readonly kind: 'server-slow'
      readonly server: StoreName
      readonly pieceMs: number
      readonly ms: number
    }
  /** Connections are accepted and get no response. */
  | { readonly kind: 'black-hole'; readonly server: StoreName; readonly ms: number }
  /** A broker is cut off from the services, or from the other brokers. */
  | {
      readonly kind: 'cut'
      readonly from: 'services' | 'brokers'
      readonly how: Cut
      readonly role: BrokerRole
      readonly ms: number
    }
  /** The time of day steps by `byMs`, and back after `ms`. */
  | {
      readonly kind: 'clock-step'
      readonly whose: 'broker' | 'dedup-1'
      readonly byMs: number
      readonly ms: number
    }
  | { readonly kind: 'disk-full'; readonly downMs: number }
  /** Not a fault of Weir's: what a replay that writes to the topic of received webhooks would do. */
  | { readonly kind: 'replay-into-raw'; readonly records: number }

/** Steps on one target, one after another; lanes run side by side. */
export interface Lane {
  /** An instance's name, or `servers`. */
  readonly target: string
  readonly service?: ServiceName
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
    case 'freeze-at-start':
      return `${fault.how}, then pause ${fault.ms} ms from ${fault.afterMs} ms after the assignment`
    case 'scale-out':
      return 'a further instance comes'
    case 'scale-in':
      return 'the further instance goes'
    case 'server-stall':
      return `pause ${fault.server} ${fault.ms} ms`
    case 'server-slow':
      return `${fault.server} is slow by ${fault.pieceMs} ms for ${fault.ms} ms`
    case 'black-hole':
      return `${fault.server} accepts and does not answer for ${fault.ms} ms`
    case 'cut':
      return `the ${fault.role} is cut off from the ${fault.from} for ${fault.ms} ms: ${fault.how}`
    case 'clock-step':
      return `the clock of ${fault.whose} steps by ${fault.byMs / 1_000} s, and back after ${fault.ms} ms`
    case 'disk-full':
      return `the disk of a broker is full, and emptied after ${fault.downMs} ms`
    case 'replay-into-raw':
      return `${fault.records} received records again, with new keys, into the topic of received webhooks`
  }
}
