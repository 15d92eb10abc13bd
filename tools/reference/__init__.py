"""The pages of docs/reference and docs/llms.txt, made from the code that they tell of."""
