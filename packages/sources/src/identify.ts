import { identified, noSequence, sequenceOf, valueAt } from './fields.ts'
import {
  factsOf,
  fillKeyTemplate,
  fillTemplate,
  parseKeyTemplate,
  parseTemplate,
  templateProblem,
  type KeyTemplate,
} from './key-template.ts'
import type { Identify, KeyTexts } from './source.ts'

/** Throws a `TemplateError`. */
export const identifyByTemplates = (texts: KeyTexts): Identify => {
  const entityKey = parseTemplate(texts.entityKey)
  const eventType = parseTemplate(texts.eventType)
  const dedupKey = parseKeyTemplate(texts.dedupKey)
  const sequencePath = texts.sequence?.split('.')
  return asking([entityKey, eventType, dedupKey], (payload, facts) => {
    const interactionId = fillTemplate(entityKey, payload, facts)
    if (interactionId === undefined) return templateProblem(entityKey, payload, facts)
    const type = fillTemplate(eventType, payload, facts)
    if (type === undefined) return templateProblem(eventType, payload, facts)
    const key = fillKeyTemplate(dedupKey, payload, facts)
    const sequence = sequencePath && sequenceOf(valueAt(payload, sequencePath))
    return identified({
      interactionId,
      eventType: type,
      dedupKey: key.text,
      ...(key.fallback !== undefined && { dedupKeyFallback: key.fallback }),
      ...(sequence !== undefined && { sequence }),
    })
  })
}

const asking = (
  templates: readonly (KeyTemplate | undefined)[],
  identify: Identify,
  more: readonly string[] = [],
): Identify => {
  const own = templates.flatMap((template) => (template === undefined ? [] : factsOf(template)))
  return Object.assign(identify, { asks: [...new Set([...more, ...own])] })
}

/**
 * A preset's `identify` with some of its parts replaced. If all three are replaced, the preset's rules for bodies no
 * longer apply.
 */
export const overrideKeys = (base: Identify, texts: Partial<KeyTexts>): Identify => {
  const { entityKey, eventType, dedupKey, sequence } = texts
  if (entityKey !== undefined && eventType !== undefined && dedupKey !== undefined) {
    return identifyByTemplates({ entityKey, eventType, dedupKey, sequence })
  }
  const entity = entityKey === undefined ? undefined : parseTemplate(entityKey)
  const type = eventType === undefined ? undefined : parseTemplate(eventType)
  const key = dedupKey === undefined ? undefined : parseKeyTemplate(dedupKey)
  if (entity === undefined && type === undefined && key === undefined && sequence === undefined) return base
  const identify: Identify = (payload, facts) => {
    const result = base(payload, facts)
    if (result.kind === 'problem') return result
    const { identity } = result
    const interactionId = entity ? fillTemplate(entity, payload, facts) : identity.interactionId
    if (interactionId === undefined) return templateProblem(entity!, payload, facts)
    const ownType = type ? fillTemplate(type, payload, facts) : identity.eventType
    if (ownType === undefined) return templateProblem(type!, payload, facts)
    const filled = key
      ? fillKeyTemplate(key, payload, facts)
      : { text: identity.dedupKey, fallback: identity.dedupKeyFallback }
    const number =
      sequence === undefined ? identity.sequence : sequenceOf(valueAt(payload, sequence.split('.')))
    return identified({
      interactionId,
      eventType: ownType,
      dedupKey: filled.text,
      ...(filled.fallback !== undefined && { dedupKeyFallback: filled.fallback }),
      ...(number !== undefined && { sequence: number }),
    })
  }
  return asking([entity, type, key], identify, base.asks)
}

/** `field`: the path of the sequence number. */
export const requireSequence = (base: Identify, field: string): Identify => {
  const identify: Identify = (payload, facts) => {
    const result = base(payload, facts)
    if (result.kind === 'problem' || result.identity.sequence !== undefined) return result
    return noSequence(field, valueAt(payload, field.split('.')))
  }
  return asking([], identify, base.asks)
}
