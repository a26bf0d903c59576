// The recorded answers of one arm, as a promptfoo provider.
import fs from 'node:fs';

export default class {
  constructor(options) {
    this.label = options.label;
    this.answers = JSON.parse(fs.readFileSync(options.config.answers, 'utf8'));
  }

  id() { return this.label; }

  async callApi(prompt) { return { output: this.answers[prompt] ?? '' }; }
}
