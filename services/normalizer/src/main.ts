import { runService } from '@weir/service-kit'
import { normalizer } from './index.ts'

await runService(normalizer)
