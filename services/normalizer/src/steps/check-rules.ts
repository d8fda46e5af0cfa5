import { deadLetter, ok, type Outcome } from '@weir/runtime'
import { NO_RULES, type CompiledRules } from '../mappings/compile-rules.ts'
import { hasUnknownFields } from '../mappings/mapper.ts'
import type { RecognisedWebhook } from './recognise-payload.ts'

/** Whether an operator has approved a shape. */
export type IsApproved = (source: string, fingerprint: string) => boolean

/** Holds payloads that violate the rules of their source: its JSON Schema, or its rejection of unknown fields. */
export const createCheckRulesStep = (rules: ReadonlyMap<string, CompiledRules>, isApproved: IsApproved) =>
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
