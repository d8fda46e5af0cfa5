import type { ModelBroker } from '../model/model-broker.ts'
import { GROUP, INPUT, SEEN, UNIQUE } from './owner-actor.ts'

interface JudgedOwners {
  readonly broker: ModelBroker
  readonly inputs: readonly string[]
  readonly ownerIsParked: boolean
  readonly isDone: boolean
}

/** The fault at the end of a schedule, if any, found by reading the logs as a consumer would. */
export const judge = (schedule: JudgedOwners): string | undefined => {
  const { broker, inputs } = schedule
  const unique = broker
    .log(UNIQUE)
    .visible()
    .map(({ value }) => value)
  const states = broker
    .log(SEEN)
    .visible()
    .filter(({ value }) => value !== 'barrier')
    .map(({ value }) => JSON.parse(value) as { key?: string; position: number })
  const seen = states.flatMap(({ key }) => (key === undefined ? [] : [key]))
  const repeated = unique.find((key, index) => unique.indexOf(key) !== index)
  if (repeated !== undefined) return `${repeated} is repeated`
  if (schedule.ownerIsParked) return undefined
  if (!schedule.isDone) return 'it does not come to rest'
  const lost = [...new Set(inputs)].find((key) => !unique.includes(key))
  if (lost !== undefined)
    return `${lost} is lost${seen.includes(lost) ? ', and its key is in the state' : ''}`
  const forged = unique.find((key) => !inputs.includes(key))
  if (forged !== undefined) return `${forged} was never sent`
  if (seen.toSorted().join() !== unique.toSorted().join())
    return `keys ${seen.join()}, outputs ${unique.join()}`
  const position = states.at(-1)?.position ?? 0
  const committed = broker.committedOffset(GROUP, INPUT)?.offset ?? 0
  if (position !== committed) return `position ${position}, committed offset ${committed}`
  return undefined
}
