import { deadLetter, ok, type Outcome } from '@weir/runtime'
import { NO_RULES, type CompiledRules } from '../mappings/compile-rules.ts'
import { hasUnknownFields } from '../mappings/mapper.ts'
import type { RecognisedWebhook } from './recognise-payload.ts'

/** Whether a person has let a shape pass. */
export type IsApproved = (source: string, fingerprint: string) => boolean

/** Holds what the source's own rules do not allow: its JSON Schema, and unknown fields where they are rejected. */
export const checkRulesOf = (rules: ReadonlyMap<string, CompiledRules>, isApproved: IsApproved) =>
  function checkRules(input: RecognisedWebhook): Outcome<RecognisedWebhook> {
    const { source } = input.webhook
    const { unknownFields, brokenRule } = rules.get(source) ?? NO_RULES
    const broken = brokenRule(input.payload)
    if (broken !== undefined) return deadLetter('schema_violation', broken)
    if (
      unknownFields === 'reject' &&
      hasUnknownFields(input.compiled, input.payload) &&
      !isApproved(source, input.shape.fingerprint)
    ) {
      return deadLetter('unknown_field', `shape ${input.shape.fingerprint} is not approved`)
    }
    return ok(input)
  }
