// The judge that follows the slot, as a promptfoo provider: it names the last text nine times in ten.
export default class {
  id() { return 'judge'; }

  async callApi(prompt) {
    const hash = [...prompt].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0, 7);
    return { output: hash % 100 < 90 ? '1' : '0' };
  }
}
