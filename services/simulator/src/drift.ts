import type { JsonObject, JsonValue } from '@weir/sources'
import type { Random } from '@weir/truth'

/** Number of declared versions. Each adds one field to the previous version. */
const VERSIONS = 5
/** Share of the drifted payloads that are unusual, yet authentic and identifiable. */
const POISON = 0.01

type Change = (body: JsonObject, random: Random) => JsonObject

/** Fields that identify an event. Providers do not change them. */
const IDENTITY: readonly string[] = [
  'interactionId',
  'eventType',
  'timestamp',
  'sequenceNumber',
  'data',
  'id',
  'type',
  'conversationId',
  'sessionId',
  'intent',
  'userId',
  'dataActionId',
  'updatedTimestamp',
]

const newField: Change = (body, random) => {
  const value = random.pick<JsonValue>([1, 'text', true, null, ['a', 1], { deep: [{ er: 1 }] }, []])
  return { ...body, [`extension_${random.below(3)}`]: value }
}

/** Moves the parts that a mapping looks for. The phone number goes to a place that a release of a provider has used. */
const movedField: Change = (body) => {
  const { data, skill, agentId, agent_skills, payload, ...rest } = body
  if (isObject(data)) {
    const { customer, ...others } = data
    return { ...body, data: { ...others, ...(customer !== undefined && { participants: [customer] }) } }
  }
  const moved = { ...(skill !== undefined && { skill }), ...(agentId !== undefined && { id: agentId }) }
  return {
    ...rest,
    ...(Object.keys(moved).length > 0 && { agent: moved }),
    ...(agent_skills !== undefined && { skills: { agent: agent_skills } }),
    ...(payload !== undefined && { details: payload }),
  }
}

const otherType: Change = (body, random) => {
  const names = Object.keys(body).filter((name) => !IDENTITY.includes(name) && name !== 'payload')
  if (names.length === 0) return { ...body, note: random.pick<JsonValue>(['text', 1, false]) }
  return { ...body, [random.pick(names)]: random.pick<JsonValue>([7, false, ['a'], { of: 'a kind' }, null]) }
}

const declaredVersion: Change = (body, random) => {
  const version = 1 + random.below(VERSIONS)
  const added = Array.from({ length: version - 1 }, (_, i) => [`since_version_${i + 2}`, i] as const)
  return { ...body, ...Object.fromEntries(added), schemaVersion: String(version) }
}

const nested = (depth: number): JsonValue => (depth === 0 ? 'end' : [nested(depth - 1)])

const POISONS: readonly Change[] = [
  (body) => ({ ...body, nested: nested(50) }),
  (body) => ({ ...body, texts: ['\u0000', '\ud83d\ude00', '\u202e', "'; DROP TABLE events; --"] }),
  (body, random) => ({
    ...body,
    ...Object.fromEntries(Array.from({ length: 300 }, () => [`key_${random.below(1e9)}`, 1])),
  }),
  (body) => ({ ...body, long: 'x'.repeat(100_000) }),
  (body) => ({ ...body, number: 1e308, small: 5e-324, inherited: { toString: 'text', valueOf: 1 } }),
]

/** Changes a payload like a release of its provider might, and keeps the identity of the event. */
export const driftOf = (body: JsonObject, random: Random): JsonObject => {
  if (random.chance(POISON)) return random.pick(POISONS)(body, random)
  return random.pick([newField, movedField, otherType, declaredVersion])(body, random)
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
