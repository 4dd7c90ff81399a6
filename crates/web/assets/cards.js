// What ran, in a line of numbers above and the proof line below: of a draft as far as it is known.
"use strict";

(() => {
  // A process that executed nothing has its program from the one that made it: the report knows which.
  VM.programOf = (memory) => {
    const { report } = VM.overview || {};
    const known = memory.program || (report && report.processes.find((process) => process.pid === memory.pid) || {}).program || "";
    return known.split("/").pop();
  };
  VM.pidOf = (mm) => (VM.overview.memories.find((memory) => memory.mm === mm) || { pid: 0 }).pid;

  const put = (list, title, program, subtitle) => {
    VM.$("cards").replaceChildren(...list.map(([value, text]) => VM.el("div", { class: "card" }, VM.el("b", {}, value), VM.el("span", {}, text))));
    VM.$("title").textContent = title;
    VM.$("title").title = title;
    document.title = program + " – vmatlas";
    VM.$("subtitle").textContent = subtitle;
  };

  VM.showCards = ({ report, proof }) => {
    const memory = report.memory;
    const peak = memory && memory.peak_resident;
    put([
      [peak ? VM.bytes(peak.bytes) : "–", "peak resident" + (peak ? " at " + VM.time(peak.time_ns) : "")],
      [memory && memory.peak_size ? VM.bytes(memory.peak_size.bytes) : "–", "largest size"],
      [memory ? VM.count(memory.total.mappings) : "–", "mappings at the peak"],
      [VM.count(report.run.calls), "memory calls"],
      [VM.count(report.run.faults.recorded), "faults recorded"],
      [VM.count(report.run.processes) + " / " + VM.count(report.run.threads), "processes / threads"],
      [VM.count((report.findings || []).length), (report.findings || []).length === 1 ? "finding" : "findings"],
    ], report.run.command || report.run.program, report.run.program,
    VM.time(report.run.duration_ns) + ", Linux " + report.run.kernel);
    const footer = VM.$("proof");
    footer.textContent = proof;
    footer.className = report.proof.whole ? "good" : "bad";
  };

  // A draft has what some moments show; the rest is counted while the recording is read.
  VM.showDraftCards = (draft) => {
    const most = draft.memories.reduce((most, memory) => Math.max(most, memory.resident_max), 0);
    put([
      [most ? VM.bytes(most) : "–", "largest memory, resident"],
      [VM.time(draft.peak_ns), "the moment of the peak"],
      [VM.count(draft.events), "events"],
      [VM.count(draft.memories.length), draft.memories.length === 1 ? "memory" : "memories"],
    ], draft.command || draft.program, draft.program, VM.time(draft.duration_ns) + ", Linux " + draft.kernel);
  };
  VM.showProgress = (part, draft) => {
    const footer = VM.$("proof");
    footer.className = "reading";
    footer.style.setProperty("--part", Math.round(part * 100) + "%");
    footer.textContent = "reading the recording: " + Math.round(part * 100) + " %"
      + (draft ? " (drawn so far from " + VM.count(draft.looks) + " moments)" : "");
  };
  VM.hideProgress = () => VM.$("proof").style.removeProperty("--part");
})();
