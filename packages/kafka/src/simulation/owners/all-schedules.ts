import { createHash } from 'node:crypto'
import type { AbortRule } from '../model/model-coordinator.ts'
import type { Protocol } from './owner-actor.ts'
import { OwnerSchedule, type OwnerFaults } from './owner-schedule.ts'

export interface Search {
  readonly protocol: Protocol
  readonly rule: AbortRule
  readonly inputs: readonly string[]
  readonly faults: OwnerFaults
  /** Maximum number of switches to another actor while the current one could continue. */
  readonly switchesMax: number
  /** The search begins when the first owner has sent this request. */
  readonly from: string
  readonly runsMax: number
}

export interface Searched {
  readonly states: number
  readonly runs: number
  /** False when the search stopped before it tried everything. */
  readonly isComplete: boolean
  readonly parked: number
  readonly failure: { readonly fault: string; readonly trace: readonly string[] } | undefined
}

interface Branch {
  /** Index of the event chosen at each step. */
  readonly path: readonly number[]
}

const STEPS_MAX = 2_000

/**
 * Tries all orders of requests, markers and faults of a small scenario and visits each state once. Code cannot be
 * copied in the middle of an await, so each branch runs again from the start.
 */
export const searchAll = async (search: Search): Promise<Searched> => {
  const visited = new Set<string>()
  const branches: Branch[] = [{ path: [] }]
  let runs = 0
  let parked = 0
  for (let branch = branches.pop(); branch !== undefined; branch = branches.pop()) {
    if (runs === search.runsMax)
      return { states: visited.size, runs, parked, isComplete: false, failure: undefined }
    runs += 1
    const schedule = await follow(search, branch.path, visited, branches)
    if (schedule.parked.length > 0) parked += 1
    const fault = schedule.isJudged ? schedule.fault : undefined
    if (fault !== undefined) {
      const failure = { fault, trace: schedule.trace }
      return { states: visited.size, runs, parked, isComplete: false, failure }
    }
  }
  return { states: visited.size, runs, parked, isComplete: true, failure: undefined }
}

const follow = async (
  search: Search,
  path: readonly number[],
  visited: Set<string>,
  branches: Branch[],
): Promise<{
  readonly isJudged: boolean
  readonly fault: string | undefined
  readonly parked: readonly unknown[]
  readonly trace: readonly string[]
}> => {
  const { protocol, rule, inputs, faults, switchesMax } = search
  const schedule = new OwnerSchedule({ protocol, rule, inputs, faults, isPrompt: true })
  const taken: number[] = []
  let actor = ''
  let switches = 0
  let isStarted = false
  let isJudged = false
  let fault: string | undefined
  await schedule.run((events) => {
    if (!isStarted) {
      isStarted = schedule.world.lastLabel === search.from
      const regular = events.filter((event) => event.actor !== 'faults')
      if (!isStarted) return regular.find((event) => event.actor === 'coordinator') ?? regular[0]
    }
    if (taken.length >= STEPS_MAX) return undefined
    const required = events.filter((event) => event.actor !== 'faults' || event.key.endsWith('is back'))
    if (required.length === 0 && !isJudged) {
      isJudged = true
      fault = schedule.fault()
      if (fault !== undefined) return undefined
    }
    const isSwitch = (index: number): boolean => {
      const next = events[index]!.actor
      return next.startsWith('owner') && next !== actor && events.some((event) => event.actor === actor)
    }
    const open = events.map((_, index) => index).filter((index) => !isSwitch(index) || switches < switchesMax)
    let choice = path[taken.length]
    if (choice === undefined) {
      const key = createHash('md5')
        .update(`${schedule.fingerprint()}\n${actor}\n${switches}`)
        .digest('base64')
      if (visited.has(key) || open.length === 0) return undefined
      visited.add(key)
      // The current actor continues. The other choices become branches.
      choice = open.find((index) => events[index]!.actor === actor) ?? open[0]!
      for (const index of open) if (index !== choice) branches.push({ path: [...taken, index] })
    }
    const event = events[choice]!
    if (isSwitch(choice)) switches += 1
    if (event.actor.startsWith('owner')) actor = event.actor
    taken.push(choice)
    return event
  })
  return { isJudged, fault, parked: schedule.parked, trace: schedule.world.trace }
}
