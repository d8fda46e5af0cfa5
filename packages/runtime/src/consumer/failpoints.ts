import { TOPIC_SPECS } from '@weir/contracts'
import type { ProcessorOptions } from '@weir/kafka'
import { failpoint, hasFailpoints } from '../service/failpoint.ts'

const LETTERS = TOPIC_SPECS.flatMap(({ role, name }) => (role.endsWith('Dlq') ? [name] : []))

/**
 * Installs the failpoints `<service>.<step>` in each transaction, and `<service>.letters-sent` in those that write
 * dead letters.
 */
export const failpointsOf = (service: string): Pick<ProcessorOptions, 'onStep'> => {
  if (!hasFailpoints()) return {}
  return {
    onStep: (step, outputs) => {
      const hasLetters = step === 'outputs-sent' && outputs.some(isLetter)
      if (hasLetters) failpoint(`${service}.letters-sent`)
      failpoint(`${service}.${step}`)
    },
  }
}

const isLetter = ({ topic }: { readonly topic: string }): boolean =>
  LETTERS.some((name) => topic.endsWith(name))
