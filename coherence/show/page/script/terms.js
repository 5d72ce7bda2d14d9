// Terms that are explained where they are used

const TERMS = {
  low: "A sample is low when every score it has is below the threshold. A sample without text is low too.",
  streak: "How many low samples in a row count towards a halt. A fine sample ends the streak.",
  smoothed: "The loss as a smoothed moving average (SMMA): each step moves it a little, so that single steps do not hide the trend.",
  nats: "The unit of a loss with natural logarithms: one nat is 1.44 bits.",
  perplexity: "e to the power of the smoothed loss: the number of equally likely tokens that the model chooses from.",
  "times better than uniform": "By this factor the perplexity is below that of a model that guesses every token of the vocabulary alike.",
};

let terms = 0;

// A term with a tooltip that the mouse and the keyboard reach; Escape hides it.
function term(name) {
  const id = `term-${terms += 1}`, show = (event) => event.currentTarget.classList.remove("off");
  return el("span", { class: "term", onmouseenter: show, onfocusin: show },
    button(name, () => {}, { "aria-describedby": id }), el("span", { role: "tooltip", id }, TERMS[name]));
}

addEventListener("keydown", ({ key: pressed }) => {
  if (pressed === "Escape") document.querySelectorAll(".term").forEach((each) => each.classList.add("off"));
});
