import { RuleTester } from 'eslint'
import { describe, it } from 'vitest'
// @ts-expect-error: the configuration of ESLint is JavaScript, and so are its rules.
import commentWidth from './comment-width.mjs'

RuleTester.describe = describe
RuleTester.it = it

const words = (count: number, word = 'word') => Array.from({ length: count }, () => word).join(' ')
const address = `https://example.com/${'a'.repeat(120)}`
const errors = [{ messageId: 'wide' }]

new RuleTester().run('comment-width', commentWidth as never, {
  valid: [
    `// ${words(20)}`,
    `/** ${words(20)} */\nlet a`,
    `// ${address}`,
    `let a = '${words(40)}'`,
    `// eslint-disable-next-line no-var -- ${words(40)}\nvar a`,
  ],
  invalid: [
    { code: `// ${words(25)}`, output: `// ${words(23)}\n// word word`, errors },
    // The paragraph flows on, and the next one stays as it is.
    {
      code: `// ${words(25)}\n// ${words(2, 'next')}\n//\n// - item`,
      output: `// ${words(23)}\n// word word next next\n//\n// - item`,
      errors,
    },
    { code: `/** ${words(25)} */\nlet a`, output: `/**\n * ${words(23)}\n * word word\n */\nlet a`, errors },
    {
      code: `{\n  /**\n   * ${words(25)}\n   *\n   * ${words(2)}\n   */\n  let a\n}`,
      output: `{\n  /**\n   * ${words(23)}\n   * word word\n   *\n   * ${words(2)}\n   */\n  let a\n}`,
      errors,
    },
    // There is no one place to put a comment that follows code.
    { code: `let a // ${words(25)}`, output: null, errors },
  ],
})
