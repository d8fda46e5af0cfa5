import { publicUrlProblem } from './content/request-line.ts'
import { compileContent } from './content/signed-content.ts'
import type { SignatureSpec } from './spec.ts'

export interface SpecProblem {
  /** The part of the spec with the problem. */
  readonly field: keyof SignatureSpec
  readonly message: string
}

/** Contradictions in a spec. Empty if it can be used. */
export const specProblems = (spec: SignatureSpec): readonly SpecProblem[] => {
  const problems: SpecProblem[] = []
  const add = (field: SpecProblem['field'], message: string) => problems.push({ field, message })
  const { form, label, timestamp, idHeader } = spec
  let content: ReturnType<typeof compileContent> | undefined
  try {
    content = compileContent(spec.content)
  } catch (error) {
    add('content', (error as Error).message)
  }
  if ('algorithm' in spec && spec.algorithm === 'sha1' && spec.allowSha1 !== true) {
    add(
      'allowSha1',
      'SHA-1 is broken and accepted only with `allowSha1: true`: ask the provider for SHA-256 first',
    )
  }
  if (form !== 'single' && label === '') add('label', `form ${form} needs the label of the signature entries`)
  if (timestamp !== undefined && (timestamp.header === undefined) === (timestamp.pair === undefined)) {
    add('timestamp', 'needs either `header` or `pair`')
  }
  if (timestamp?.pair !== undefined && form !== 'pairs') add('timestamp', '`pair` needs `form: pairs`')
  if (content === undefined) return problems
  if (content.usesTimestamp && timestamp === undefined) {
    add('timestamp', 'is required because the content has {timestamp}')
  }
  if (!content.usesTimestamp && timestamp !== undefined) {
    add('content', 'must contain {timestamp}, because an unsigned timestamp proves nothing')
  }
  const ofUrl = spec.publicUrl === undefined ? undefined : publicUrlProblem(spec.publicUrl)
  if (ofUrl !== undefined) add('publicUrl', ofUrl)
  if (content.usesUrl && spec.publicUrl === undefined) {
    add(
      'publicUrl',
      'is required because the URL is signed: give the URL that the provider calls, such as https://hooks.example.com',
    )
  }
  if (content.usesId !== (idHeader !== undefined)) {
    add(
      'idHeader',
      content.usesId
        ? 'is required because the content has {id}'
        : 'has no use because the content has no {id}',
    )
  }
  return problems
}
